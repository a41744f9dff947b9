//! The limit among the three, and each kind of disk.

use super::*;

fn bench(disk: Disk) -> Bench {
    Bench {
        duration: Duration::from_millis(300),
        ring_bytes: 4 << 20,
        disk,
        ..Bench::default()
    }
}

fn stage(frames: u64, longest_pause_s: f64) -> Stage {
    Stage {
        frames,
        seconds: 1.0,
        longest_pause_s,
        ..Stage::default()
    }
}

fn report(cpu: u64, disk: Option<Stage>) -> Report {
    Report {
        mean_len: 1500.0,
        ring_bytes: 1588 * 1000,
        cpu: stage(cpu, 0.0),
        disk,
        ..Report::default()
    }
}

#[test]
fn the_least_of_the_three_is_the_limit() {
    assert_eq!(report(500, None).limit(), (Limit::Cpu, 500.0));
    let quick = Some(stage(300, 0.001));
    assert_eq!(report(500, quick).limit(), (Limit::Disk, 300.0));
    assert_eq!(report(200, quick).limit(), (Limit::Cpu, 200.0));
    let slow = Report {
        kernel: Ok(stage(150, 0.0)),
        ..report(200, quick)
    };
    assert_eq!(slow.limit(), (Limit::Kernel, 150.0));
    // A thousand frames fit the ring: in ten seconds, a hundred a second.
    let pausing = report(500, Some(stage(300, 10.0)));
    assert_eq!(pausing.limit(), (Limit::Ring, 100.0));
    assert_eq!(pausing.safe_rate(), 70.0);
}

#[test]
fn a_simulated_disk_takes_what_it_says() {
    let found = bench(Disk::Simulated(30_000_000)).run(&Control::default());
    let disk = found
        .expect("nothing can fail")
        .disk
        .expect("it was asked for");
    // No more than that: 20,000 frames a second of 1,500 bytes.
    assert!(disk.frames > 0 && disk.rate() <= 20_000.0, "{disk:?}");
}

#[test]
fn a_simulated_disk_takes_all_that_stands_in_a_file() {
    let small = Bench {
        sizes: Sizes::Fixed(64),
        ..bench(Disk::Simulated(10_000_000))
    };
    let report = small.run(&Control::default()).expect("nothing can fail");
    let disk = report.disk.expect("it was asked for");
    // The head and the end of a packet's block are 32 bytes.
    let most = 10_000_000.0 / (64.0 + 32.0);
    assert!(disk.frames > 0 && disk.rate() <= most, "{disk:?}");
    assert_eq!(report.limit().0, Limit::Disk);
}

#[test]
fn a_file_is_written_and_removed() {
    let path = std::env::temp_dir().join(format!("pktrail-bench-{}", std::process::id()));
    let found = bench(Disk::File(path.clone())).run(&Control::default());
    let found = found.expect("there is room");
    let disk = found.disk.expect("it was asked for");
    assert!(disk.bytes >= disk.frames * 1500, "{disk:?}");
    assert!(!path.exists());
    fs::write(&path, "mine").expect("a place for temporary files");
    let refused = bench(Disk::File(path.clone())).run(&Control::default());
    assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::Usage));
    assert_eq!(fs::read(&path).expect("it is left alone"), b"mine");
    fs::remove_file(&path).expect("it is ours");
}

#[test]
fn it_ends_when_it_is_told_to() {
    let control = Control::default();
    control.stop();
    let long = Bench {
        duration: Duration::from_secs(600),
        ..bench(Disk::None)
    };
    let begin = Instant::now();
    assert!(long.run(&control).is_ok());
    assert!(begin.elapsed() < Duration::from_secs(300));
}
