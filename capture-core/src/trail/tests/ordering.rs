//! Time order over CPUs and the arithmetic of what is missing.

use super::super::order::{Sequences, Window};
use super::*;

fn event(time_ns: u64) -> Event {
    Event::new(time_ns, PointId(0), 1)
}

#[test]
fn events_of_several_cpus_come_out_in_order() {
    let mut window = Window::new(100, 1000);
    let mut times = Vec::new();
    // Two CPUs, each in order, the second 90 ns behind.
    for n in 0..50_u64 {
        window.push(event(1000 + n * 10));
        window.push(event(1000 + n * 10 - 90));
        while let Some(ordered) = window.pop() {
            assert!(!ordered.late);
            times.push(ordered.event.time_ns);
        }
    }
    while let Some(ordered) = window.release() {
        times.push(ordered.event.time_ns);
    }
    assert_eq!(times.len(), 100);
    assert!(times.is_sorted());
    assert_eq!(window.late(), 0);
}

#[test]
fn a_late_event_is_marked_and_the_window_is_bounded() {
    let mut window = Window::new(100, 1000);
    window.push(event(1000));
    window.push(event(2000));
    assert_eq!(window.pop().map(|o| o.event.time_ns), Some(1000));
    window.push(event(900));
    let late = window.pop().expect("it is due");
    assert!(late.late);
    assert_eq!(window.late(), 1);
    assert_eq!(window.pop(), None);
    window.advance(2100);
    assert_eq!(window.pop().map(|o| o.event.time_ns), Some(2000));

    let mut window = Window::new(u64::MAX, 10);
    for time in 0..20 {
        window.push(event(time));
    }
    assert_eq!(std::iter::from_fn(|| window.pop()).count(), 10);
}

#[test]
fn equal_times_keep_the_order_of_arrival() {
    let mut window = Window::new(0, 10);
    for skb in 1..=5 {
        window.push(Event::new(7, PointId(0), skb));
    }
    let order: Vec<u64> = std::iter::from_fn(|| window.release())
        .map(|o| o.event.skb)
        .collect();
    assert_eq!(order, [1, 2, 3, 4, 5]);
}

#[test]
fn produced_is_seen_and_lost() {
    let mut numbers = Sequences::default();
    for sequence in 0..10 {
        assert_eq!(numbers.see(0, sequence), 0);
    }
    assert_eq!(numbers.see(0, 15), 5);
    // CPU 1 lost its first three.
    assert_eq!(numbers.see(1, 3), 3);
    numbers.finish(1, 6);
    numbers.finish(2, 4);
    assert_eq!((numbers.seen(), numbers.lost()), (12, 5 + 3 + 2 + 4));
    assert_eq!(numbers.produced(), numbers.seen() + numbers.lost());
}

#[test]
fn a_number_that_comes_late_is_not_lost() {
    let mut numbers = Sequences::default();
    for sequence in [0, 5, 2, 1, 9, 4, 3, 7] {
        numbers.see(0, sequence);
    }
    assert_eq!((numbers.seen(), numbers.lost()), (8, 2));
    numbers.see(0, 6);
    numbers.see(0, 8);
    assert_eq!(numbers.lost(), 0);
    assert_eq!(numbers.produced(), 10);
}
