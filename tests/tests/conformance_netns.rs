//! What every backend must do, run over the table of backends: `af_packet` on a
//! loopback interface of the tests' own, `file` on a file that names the same,
//! `memory` as it is. Needs root.

use caps::{CapSet, Capability};
use pktrail::pcapng::{Encoder, Section};
use pktrail::{
    BACKENDS, Backend, Batch, ErrorKind, FrameInfo, Interface, LinkType, Needs, Next, Probe,
    Request,
};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::Netns;
use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A capture file of frames on `lo`.
fn capture_file(folder: &Folder) -> PathBuf {
    let mut encoder = Encoder::new(Section::default());
    let mut bytes = Vec::new();
    encoder.section(&mut bytes);
    let interface = Interface {
        name: "lo".into(),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    let info = FrameInfo {
        caplen: 60,
        len: 60,
        ..FrameInfo::default()
    };
    let batch = Batch::new(vec![0; 60], vec![info; 100], Arc::new(vec![interface]));
    encoder.batch(&batch, &mut bytes).expect("one link type");
    let path = folder.path("lo.pcapng");
    fs::write(&path, bytes).expect("a file can be written");
    path
}

/// A request that each backend can serve, in a namespace of its own.
fn request(netns: &Netns, folder: &Folder) -> Request {
    Request {
        netns: Some(netns.name().into()),
        path: Some(capture_file(folder)),
        ring_bytes: Some(4 << 20),
        ..Request::new("lo")
    }
}

fn each(name: &str, test: impl Fn(&Backend, &Request)) {
    let folder = Folder::new(name);
    assert!(!BACKENDS.is_empty());
    for backend in BACKENDS {
        let netns = Netns::new(&format!("conf-{}", backend.name));
        test(backend, &request(&netns, &folder));
    }
}

#[test]
fn names_are_unique_and_said_in_words() {
    for (at, backend) in BACKENDS.iter().enumerate() {
        assert!(
            BACKENDS[..at]
                .iter()
                .all(|other| other.name != backend.name)
        );
        assert!(!backend.about.is_empty());
    }
}

#[test]
fn the_probe_of_root_says_that_it_works() {
    for backend in BACKENDS {
        let probe = (backend.probe)();
        assert!(
            matches!(probe, Probe::Works { .. }),
            "{}: {probe:?}",
            backend.name
        );
    }
}

/// Leaves the calling thread, which must end soon, nothing but what is needed.
fn keep_only(needs: Needs) {
    let kept = match needs {
        Needs::Nothing => HashSet::new(),
        Needs::NetRaw => HashSet::from([Capability::CAP_NET_RAW]),
    };
    caps::set(None, CapSet::Effective, &kept).expect("fewer capabilities");
    caps::set(None, CapSet::Permitted, &kept).expect("fewer capabilities");
}

#[test]
fn the_privilege_in_the_row_is_enough_and_its_lack_is_said() {
    let folder = Folder::new("conf-privilege");
    for backend in BACKENDS {
        let netns = Netns::new(&format!("conf-{}", backend.name));
        let request = Request {
            netns: None,
            ..request(&netns, &folder)
        };
        netns.within(|| {
            keep_only(backend.needs);
            let mut sources = (backend.open)(&request).expect(backend.name);
            sources[0].start().expect(backend.name);
            sources[0].next_batch(Duration::ZERO).expect(backend.name);
            let probe = (backend.probe)();
            assert!(matches!(probe, Probe::Works { .. }), "{probe:?}");
        });
        netns.within(|| {
            keep_only(Needs::Nothing);
            match ((backend.probe)(), (backend.open)(&request)) {
                (Probe::Works { .. }, Ok(_)) => assert_eq!(backend.needs, Needs::Nothing),
                (Probe::Needs(probe), Err(open)) => {
                    assert_ne!(backend.needs, Needs::Nothing);
                    assert_eq!(probe.kind(), ErrorKind::Permission);
                    assert_eq!(open.kind(), ErrorKind::Permission);
                }
                (probe, opened) => panic!("{probe:?}, opened: {}", opened.is_ok()),
            }
        });
    }
}

#[test]
fn a_source_names_its_interface_first() {
    each("conf-first", |backend, request| {
        let sources = (backend.open)(request).expect(backend.name);
        assert_eq!(sources.len(), 1);
        let interface = &sources[0].interfaces()[0];
        assert_eq!(interface.name, "lo", "{}", backend.name);
    });
}

#[test]
fn zero_never_waits() {
    each("conf-zero", |backend, request| {
        let mut sources = (backend.open)(request).expect(backend.name);
        sources[0].start().expect(backend.name);
        for _ in 0..20 {
            let start = Instant::now();
            sources[0].next_batch(Duration::ZERO).expect(backend.name);
            assert!(
                start.elapsed() < Duration::from_millis(50),
                "{}",
                backend.name
            );
        }
    });
}

#[test]
fn a_stopped_source_ends_and_its_account_stands_still() {
    each("conf-stopped", |backend, request| {
        let mut sources = (backend.open)(request).expect(backend.name);
        let source = &mut sources[0];
        source.start().expect(backend.name);
        source.stop().expect(backend.name);
        let start = Instant::now();
        let mut frames = 0;
        loop {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "{} never ends",
                backend.name
            );
            match source
                .next_batch(Duration::from_millis(10))
                .expect(backend.name)
            {
                Next::End => break,
                Next::Batch(batch) => frames += batch.frames.len() as u64,
                _ => {}
            }
        }
        assert!(matches!(source.next_batch(Duration::ZERO), Ok(Next::End)));
        let account = source.account().expect(backend.name);
        assert_eq!(account, source.account().expect(backend.name));
        assert_eq!(
            account.received,
            frames + account.filtered + account.lost.ring
        );
    });
}

#[test]
fn a_source_moves_to_another_thread_and_ends_by_being_dropped() {
    each("conf-thread", |backend, request| {
        let mut sources = (backend.open)(request).expect(backend.name);
        std::thread::spawn(move || {
            sources[0].next_batch(Duration::ZERO).expect("next_batch");
        })
        .join()
        .expect(backend.name);
    });
}

#[test]
fn an_unknown_namespace_is_said_by_those_that_look() {
    for backend in BACKENDS {
        let request = Request {
            netns: Some("pkt-no-such-namespace".into()),
            path: Some("/dev/null".into()),
            ..Request::new("lo")
        };
        if backend.name == "file" {
            // A file is in no namespace.
            continue;
        }
        if let Err(error) = (backend.open)(&request) {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{}", backend.name);
            assert!(error.to_string().contains("pkt-no-such-namespace"));
        } else {
            assert_eq!(backend.name, "memory");
        }
    }
}
