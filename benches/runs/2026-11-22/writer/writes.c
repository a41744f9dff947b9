// How much a MiB costs on its way from a packet ring to a new file, by kind of write.
// cc -O1 writes.c -o writes; writes FILE ring|plain DEPTH drain registered MIB PACE GATHER
//   DEPTH       writes under way (io_uring)
//   drain       1: one after the other (IOSQE_IO_DRAIN)
//   registered  1: registered memory (needs CAP_IPC_LOCK or RLIMIT_MEMLOCK) and file
//   PACE        MiB a second; 0: as fast as it goes
//   GATHER      0: io_uring; n: pwritev(2) of up to n blocks at a time
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 1 << 20, BLOCKS = 64 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

static void until(double due) {
    struct timespec ts = {(time_t)due, (long)((due - (time_t)due) * 1e9)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static char *memory(int ring) {
    size_t len = (size_t)BLOCK * BLOCKS;
    int prot = PROT_READ | PROT_WRITE;
    if (!ring)
        return mmap(0, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    int s = socket(AF_PACKET, SOCK_RAW, 0), v = TPACKET_V3;
    setsockopt(s, SOL_PACKET, PACKET_VERSION, &v, sizeof v);
    struct tpacket_req3 r = {.tp_block_size = BLOCK, .tp_block_nr = BLOCKS, .tp_frame_size = 2048,
                             .tp_frame_nr = BLOCK / 2048 * BLOCKS, .tp_retire_blk_tov = 100};
    if (setsockopt(s, SOL_PACKET, PACKET_RX_RING, &r, sizeof r)) exit(2);
    return mmap(0, len, prot, MAP_SHARED | MAP_POPULATE, s, 0);
}

int main(int argc, char **argv) {
    if (argc != 9) return 2;
    int ring = !strcmp(argv[2], "ring"), depth = atoi(argv[3]), drain = atoi(argv[4]);
    int registered = atoi(argv[5]), total = atoi(argv[6]), gather = atoi(argv[8]);
    double pace = atof(argv[7]);
    char *m = memory(ring);
    if (m == MAP_FAILED) return 2;
    memset(m, 1, (size_t)BLOCK * BLOCKS);
    struct io_uring_params p = {0};
    int u = syscall(__NR_io_uring_setup, 16, &p);
    int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
    char *sq = mmap(0, p.sq_off.array + p.sq_entries * 4, prot, flags, u, IORING_OFF_SQ_RING);
    char *cq = mmap(0, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), prot, flags, u,
                    IORING_OFF_CQ_RING);
    struct io_uring_sqe *sqes = mmap(0, p.sq_entries * sizeof *sqes, prot, flags, u, IORING_OFF_SQES);
    int fd = open(argv[1], O_RDWR | O_CREAT | O_DIRECT | O_TRUNC, 0600);
    if (u < 0 || fd < 0) return 2;
    struct iovec iv[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) iv[i] = (struct iovec){m + (size_t)i * BLOCK, BLOCK};
    if (registered && (syscall(__NR_io_uring_register, u, IORING_REGISTER_BUFFERS, iv, BLOCKS) ||
                       syscall(__NR_io_uring_register, u, IORING_REGISTER_FILES, &fd, 1))) {
        perror("register");
        return 1;
    }
    unsigned *tail = (void *)(sq + p.sq_off.tail), *array = (void *)(sq + p.sq_off.array);
    unsigned mask = *(unsigned *)(sq + p.sq_off.ring_mask);
    unsigned *head = (void *)(cq + p.cq_off.head), *end = (void *)(cq + p.cq_off.tail);
    unsigned cmask = *(unsigned *)(cq + p.cq_off.ring_mask);
    struct io_uring_cqe *cqes = (void *)(cq + p.cq_off.cqes);
    double begun = now(), used = cpu();
    int sub = 0, done = 0;
    while (gather && done < total) {
        int n = gather < total - done ? gather : total - done;
        if (pace) until(begun + done / pace), n = 1;
        struct iovec v[BLOCKS];
        for (int i = 0; i < n; i++) v[i] = iv[(done + i) % BLOCKS];
        if (pwritev(fd, v, n, (off_t)done * BLOCK) != (ssize_t)n * BLOCK) return 1;
        done += n;
    }
    while (done < total) {
        if (pace) until(begun + sub / pace);
        while (sub < total && sub - done < depth && !(pace && now() < begun + sub / pace)) {
            struct io_uring_sqe *e = &sqes[*tail & mask];
            memset(e, 0, sizeof *e);
            e->opcode = registered ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE;
            e->fd = registered ? 0 : fd;
            e->flags = (registered ? IOSQE_FIXED_FILE : 0) | (drain ? IOSQE_IO_DRAIN : 0);
            e->addr = (uintptr_t)iv[sub % BLOCKS].iov_base;
            e->len = BLOCK;
            e->off = (uint64_t)sub * BLOCK;
            e->buf_index = registered ? sub % BLOCKS : 0;
            array[*tail & mask] = *tail & mask;
            __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
            sub++;
            if (syscall(__NR_io_uring_enter, u, 1, 0, 0, 0, 0) < 0) return 1;
        }
        if (*head == __atomic_load_n(end, __ATOMIC_ACQUIRE))
            syscall(__NR_io_uring_enter, u, 0, 1, IORING_ENTER_GETEVENTS, 0, 0);
        while (*head != __atomic_load_n(end, __ATOMIC_ACQUIRE)) {
            if (cqes[*head & cmask].res != BLOCK) return 1;
            done++;
            __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
        }
    }
    double took = now() - begun;
    printf("%-5s depth %d drain %d registered %d pace %3.0f gather %d: %5.0f MB/s %5.1f us of CPU per MiB\n",
           argv[2], depth, drain, registered, pace, gather, total * 1.048576 / took,
           (cpu() - used) / total * 1e6);
    return 0;
}
