#!/bin/bash
# order.sh PROGRAM ROUND: the CPU time of each way of several rings; round 0 is without a load. Needs root.
# pkt-load is to be in the current folder, which gets a few files.
BIN=$1; 
run() { # name args...
  local name=$1; shift
  unshare -n bash -c '
  echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6
  ip link add pkt-load0 type veth peer name pkt-load1; ip link set pkt-load0 arp off up; ip link set pkt-load1 arp off up
  BIN=$0; NAME=$1; SIZE=$2; COUNT=$3; FILE=$4; shift 4
  TIMEFORMAT="%U %S"
  { time "$BIN" -q -i pkt-load0 --ring 64M -w $FILE --duration 2.5 "$@" 2>said ; } 2>time & p=$!
  sleep 0.8
  [ $COUNT = 0 ] || ./pkt-load -i pkt-load0 --size $SIZE --cpu 0 --count $COUNT --rate 0 >load
  wait $p
  echo "$NAME $SIZE $COUNT $(cat time) $(grep -E "captured|dropped" said | tr "\n" " ")"
  ' $BIN "$name" "$SIZE" "$COUNT" "$FILE" "$@"
}
ROUND=$2; FILE=${3:-/dev/null}
for SIZE in 64 1500; do
  for way in one ordered unordered each; do
    case $way in one) a=;; ordered) a="--fanout 2";; unordered) a="--fanout 2 --unordered";; each) a="--fanout 2 --file-per-ring";; esac
    COUNT=0; [ "$ROUND" = 0 ] || { COUNT=1500000; [ $SIZE = 1500 ] && COUNT=1000000; }
    run $way $a
  done
done
