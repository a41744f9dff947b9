//! The picture of a filter: XML that a reader of others takes, with all nodes and lines of the
//! graph, inside its frame, no box upon another. Needs python3; no privilege.

use pktrail_core::LinkType;
use pktrail_core::filter::{Explanation, NoNames, Target, explain};
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

/// Reads pictures that NUL ends; for each prints how many boxes, cells and lines it has.
const READER: &str = r#"
import sys, xml.etree.ElementTree as tree
SVG = "{http://www.w3.org/2000/svg}"
for text in sys.stdin.buffer.read().split(b"\0")[:-1]:
    svg = tree.fromstring(text)
    assert svg.tag == SVG + "svg", svg.tag
    width, height = float(svg.get("width")), float(svg.get("height"))
    boxes, cells, lines, placed = 0, 0, 0, []
    for rect in svg.iter(SVG + "rect"):
        kind = rect.get("class")
        if rect.get("x") is None:
            continue
        x, y, w, h = (float(rect.get(it)) for it in ("x", "y", "width", "height"))
        assert 0 <= x and x + w <= width and 0 <= y and y + h <= height, (x, y, w, h)
        for a, b, c, d in placed:
            apart = x + w <= a + 0.2 or a + c <= x + 0.2 or y + h <= b + 0.2 or b + d <= y + 0.2
            assert apart, "one upon another"
        placed.append((x, y, w, h))
        boxes += kind == "box"
        cells += kind in ("cell", "accept", "reject")
    for path in svg.iter(SVG + "path"):
        lines += 1
        place = path.get("d").replace("M", " ").replace("C", " ").split(" V")[0].split()[0]
        x, y = (float(it) for it in place.split(","))
        # Each line begins at the lower side of a cell.
        assert any(a <= x <= a + c and abs(b + d - y) < 0.2 for a, b, c, d in placed), (x, y)
    for text in svg.iter(SVG + "text"):
        assert text.text and text.text.strip()
    # Without the two of the legend.
    print(boxes, cells - 2, lines)
"#;

fn explained(text: &str) -> Option<Explanation> {
    let target = Target {
        netmask: Some(Ipv4Addr::UNSPECIFIED),
        ..Target::new(LinkType::ETHERNET, 65_535)
    };
    explain(text, &target, &mut NoNames).ok()
}

/// What the reader says of each picture.
fn read(pictures: &[Explanation]) -> Vec<[usize; 3]> {
    let mut reader = Command::new("python3")
        .args(["-c", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let mut input = reader.stdin.take().expect("a pipe");
    let mut bytes = Vec::new();
    for picture in pictures {
        bytes.extend(picture.svg.as_bytes());
        bytes.push(0);
    }
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = reader.wait_with_output().expect("it ends");
    writer.join().expect("joins").expect("it reads all");
    assert!(output.status.success(), "the reader refuses a picture");
    let said = String::from_utf8(output.stdout).expect("numbers");
    let numbers = said.lines().map(|line| {
        let numbers: Vec<usize> = line.split(' ').map(|n| n.parse().unwrap()).collect();
        numbers.try_into().expect("three")
    });
    numbers.collect()
}

#[test]
fn every_picture_is_the_graph() {
    let list = include_str!("filter_libpcap_peers/expressions.txt");
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let hosts: Vec<String> = (0..300).map(|n| format!("10.1.{}.{n}", n % 7)).collect();
    let many = format!("ip6 host fe80::1 or host {}", hosts.join(" or "));
    let odd = ["", "tcp[0] < 3 and tcp[1] > 4", "link[0] & 0xf >= 3"];
    let more = odd.into_iter().chain([many.as_str()]);
    let pictures: Vec<Explanation> = lines.chain(more).filter_map(explained).collect();
    assert!(pictures.len() > 420, "{}", pictures.len());
    for (picture, [boxes, cells, lines]) in pictures.iter().zip(read(&pictures)) {
        let graph = picture.graph.lines();
        let ways: Vec<&str> = graph.clone().filter(|line| line.contains(" -> ")).collect();
        let nodes = graph.count() - ways.len();
        let on = ways
            .iter()
            .filter(|way| way.ends_with(|c: char| c.is_ascii_digit()));
        let text = &picture.expression;
        assert_eq!(boxes, nodes, "{text}");
        assert_eq!(cells, ways.len().max(1), "{text}");
        assert_eq!(lines, on.count(), "{text}");
    }
}

#[test]
fn a_large_graph_is_cut_and_says_so() {
    let terms: Vec<String> = (0..300)
        .map(|n| format!("(link[{n}] = 1 and link[{}] = 2)", n + 400))
        .collect();
    let picture = explained(&terms.join(" or ")).expect("it compiles");
    assert_eq!(read(std::slice::from_ref(&picture))[0][0], 200);
    assert!(picture.svg.contains("are not drawn: see --explain"));
}

/// What stands in an expression cannot break the picture.
#[test]
fn letters_of_xml_are_written_as_text() {
    let picture = explained("tcp[0] & 1 < 3 and link[0] > 2").expect("it compiles");
    assert!(picture.svg.contains("&lt;") && picture.svg.contains("&amp;"));
    read(&[picture]);
}
