//! `--diagram`, judged by Python's XML parser.

use crate::shown::{send, stage};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::run;
use pktrail_tests::program;
use pktrail_tests::tracing::Tracing;

/// Prints `CLASS NAME` of each place that is not plain, picture by picture, in the order of the
/// map, and fails if the file is not well-formed XML.
const JUDGE: &str = "
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
SVG = '{http://www.w3.org/2000/svg}'
places = root.findall('.//' + SVG + \"g[@class='place']\")
assert len(places) > 40, len(places)
for place in places:
    kind = place.find(SVG + 'rect').get('class')
    if kind != 'node':
        print(kind, place.get('data-name'))
";

fn judged(file: &str) -> Vec<String> {
    let text = run("python3", &["-c", JUDGE, file]);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_way_is_lit_and_the_place_of_a_drop_is_marked() {
    let pair = stage("trace-map");
    let folder = Folder::new("trace-map");
    for name in ["way.svg", "way.html"] {
        let path = folder.path(name);
        let file = path.to_str().expect("a path");
        let (a, b) = (pair.a.name(), pair.b.name());
        let words = [
            "--netns",
            a,
            "--netns",
            b,
            "--diagram",
            file,
            "udp port 4001",
        ];
        let tracing = Tracing::start(&words);
        send(&pair, 4001);
        let traced = tracing.end();
        assert!(traced.status.success(), "{}", traced.said);
        let places = judged(file);
        let has = |place: &str| places.iter().any(|found| found == place);
        // Out of one namespace, into the other, and to the filter table at INPUT.
        for place in [
            "lit route_out",
            "lit out_filter",
            "lit post_nat",
            "lit dev_out",
            "lit recv",
            "lit pre_ct",
            "lit in_mangle",
            "drop in_filter",
        ] {
            assert!(has(place), "'{place}' is missing in {places:#?}");
        }
        assert!(!has("lit fwd_filter") && !has("lit sock_in"), "{places:#?}");
        assert_eq!(
            places
                .iter()
                .filter(|place| place.starts_with("drop"))
                .count(),
            1
        );
    }
}

#[test]
fn a_diagram_needs_a_name_that_says_its_form() {
    let output = program::pktrail()
        .args(["trace", "--diagram", "way.png"])
        .output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("way.png: the name must end with .svg or .html"),
        "{said}"
    );
}
