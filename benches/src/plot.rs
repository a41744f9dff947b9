//! Bars, as SVG: a panel for each case and figure, a group for each size, a bar
//! for each program. Written by hand, because a plotting library would weigh
//! more than everything else here.

use crate::report::{FIGURES, Figure, Row, distinct, median};
use std::fmt::Write as _;

const COLOURS: [&str; 6] = [
    "#9aa0a6", "#d1495b", "#30638e", "#edae49", "#00798c", "#7d5ba6",
];
const PANEL_WIDTH: usize = 460;
const PANEL_HEIGHT: usize = 210;
const PLOT_HEIGHT: f64 = 110.0;
const TOP: usize = 40;

/// The whole picture.
pub fn svg(rows: &[Row]) -> String {
    let cases = distinct(rows, Row::case);
    let peers = distinct(rows, |row| row.peer);
    let width = PANEL_WIDTH * FIGURES.len();
    let height = TOP + PANEL_HEIGHT * cases.len();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, peer) in peers.iter().enumerate() {
        let x = 20 + index * 120;
        let colour = colour(index);
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"12\" width=\"11\" height=\"11\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"22\">{peer}</text>",
            x + 16
        );
    }
    for (down, case) in cases.iter().enumerate() {
        for (right, figure) in FIGURES.iter().enumerate() {
            let (x, y) = (right * PANEL_WIDTH, TOP + down * PANEL_HEIGHT);
            let _ = writeln!(text, "<g transform=\"translate({x},{y})\">");
            panel(&mut text, rows, case, figure, &peers);
            text.push_str("</g>\n");
        }
    }
    text.push_str("</svg>\n");
    text
}

fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

fn panel(text: &mut String, rows: &[Row], case: &str, figure: &Figure, peers: &[&'static str]) {
    let sizes = distinct(rows, |row| row.plan.size.clone());
    let value = |size: &str, peer: &str| median(rows, figure, case, size, peer);
    let greatest = sizes
        .iter()
        .flat_map(|size| peers.iter().filter_map(|peer| value(size, peer)))
        .fold(1e-9, f64::max);
    let _ = writeln!(
        text,
        "<text x=\"20\" y=\"20\" font-weight=\"bold\">{case}</text>\
         <text x=\"20\" y=\"36\">{}, {}</text>",
        figure.name, figure.unit
    );
    let bottom = 60.0 + PLOT_HEIGHT;
    let group = (PANEL_WIDTH as f64 - 40.0) / sizes.len() as f64;
    let bar = group * 0.85 / peers.len() as f64;
    for (place, size) in sizes.iter().enumerate() {
        let left = 20.0 + place as f64 * group;
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{size}</text>",
            left + group * 0.425,
            bottom + 14.0
        );
        for (index, peer) in peers.iter().enumerate() {
            let Some(value) = value(size, peer) else {
                continue;
            };
            let height = value / greatest * PLOT_HEIGHT;
            let (x, y) = (left + index as f64 * bar, bottom - height);
            let _ = writeln!(
                text,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" \
                 fill=\"{}\"><title>{peer}</title></rect>\
                 <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"8\" \
                 text-anchor=\"middle\">{value:.0}</text>",
                bar * 0.9,
                colour(index),
                x + bar * 0.45,
                y - 3.0
            );
        }
    }
}
