//! Bars and lines, as SVG. Written by hand, because a plotting library would weigh
//! more than everything else here.

use std::fmt::Write as _;

const COLOURS: [&str; 7] = [
    "#c8ccd0", "#9aa0a6", "#d1495b", "#30638e", "#edae49", "#00798c", "#7d5ba6",
];
const PANEL_WIDTH: usize = 460;
const PANEL_HEIGHT: usize = 210;
const PLOT_HEIGHT: f64 = 110.0;
const TOP: usize = 40;

/// A group of bars for each size.
pub struct Panel {
    /// What was measured.
    pub title: String,
    /// The figure and its unit.
    pub unit: String,
    /// The sizes, with programs and values.
    pub groups: Vec<(String, Vec<(&'static str, f64)>)>,
}

/// The whole picture: panels two by two.
pub fn svg(panels: &[Panel], peers: &[&'static str]) -> String {
    let (width, height) = (
        PANEL_WIDTH * 2,
        TOP + PANEL_HEIGHT * panels.len().div_ceil(2),
    );
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, peer) in peers.iter().enumerate() {
        let x = 20 + index * 110;
        let colour = colour(index);
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"12\" width=\"11\" height=\"11\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"22\">{peer}</text>",
            x + 16
        );
    }
    for (index, panel) in panels.iter().enumerate() {
        let (x, y) = (index % 2 * PANEL_WIDTH, TOP + index / 2 * PANEL_HEIGHT);
        let _ = writeln!(text, "<g transform=\"translate({x},{y})\">");
        bars(&mut text, panel, peers);
        text.push_str("</g>\n");
    }
    text.push_str("</svg>\n");
    text
}

fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

fn bars(text: &mut String, panel: &Panel, peers: &[&'static str]) {
    let values = panel.groups.iter().flat_map(|(_, values)| values);
    let greatest = values.map(|(_, value)| *value).fold(1e-9, f64::max);
    let _ = writeln!(
        text,
        "<text x=\"20\" y=\"20\" font-weight=\"bold\">{}</text>\
         <text x=\"20\" y=\"36\">{}</text>",
        panel.title, panel.unit
    );
    let bottom = 60.0 + PLOT_HEIGHT;
    let group = (PANEL_WIDTH as f64 - 40.0) / panel.groups.len().max(1) as f64;
    for (place, (size, values)) in panel.groups.iter().enumerate() {
        let bar = group * 0.85 / values.len().max(1) as f64;
        let left = 20.0 + place as f64 * group;
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{size}</text>",
            left + group * 0.425,
            bottom + 14.0
        );
        for (index, (peer, value)) in values.iter().enumerate() {
            let place = peers.iter().position(|name| name == peer).unwrap_or(0);
            let height = value / greatest * PLOT_HEIGHT;
            let (x, y) = (left + index as f64 * bar, bottom - height);
            let digits = if greatest < 10.0 { 2 } else { 0 };
            let _ = writeln!(
                text,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" \
                 fill=\"{}\"><title>{peer}</title></rect>\
                 <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"8\" \
                 text-anchor=\"middle\">{value:.digits$}</text>",
                bar * 0.9,
                colour(place),
                x + bar * 0.45,
                y - 3.0
            );
        }
    }
}

/// A value over time.
pub struct Line {
    /// What it is, with its unit.
    pub name: &'static str,
    /// Seconds and values.
    pub points: Vec<(f64, f64)>,
}

/// A panel for each value over the same time.
pub fn lines(lines: &[Line]) -> String {
    let (width, height) = (720, PANEL_HEIGHT * lines.len());
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, line) in lines.iter().enumerate() {
        let most = |of: fn(&(f64, f64)) -> f64| line.points.iter().map(of).fold(1e-9, f64::max);
        let (seconds, greatest) = (most(|point| point.0), most(|point| point.1));
        let points: Vec<String> = line
            .points
            .iter()
            .map(|(at, value)| {
                let x = 20.0 + at / seconds * (width as f64 - 40.0);
                let y = 40.0 + PLOT_HEIGHT * (1.0 - value / greatest);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let (top, bottom) = (index * PANEL_HEIGHT, 40.0 + PLOT_HEIGHT);
        let _ = writeln!(
            text,
            "<g transform=\"translate(0,{top})\"><text x=\"20\" y=\"20\" \
             font-weight=\"bold\">{}</text><text x=\"20\" y=\"34\">{greatest:.2}</text>\
             <polyline fill=\"none\" stroke=\"#bbb\" points=\"20,{bottom} {},{bottom}\"/>\
             <polyline fill=\"none\" stroke=\"{}\" points=\"{}\"/>\
             <text x=\"20\" y=\"{:.1}\">0</text>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{seconds:.0} s</text></g>",
            line.name,
            width - 20,
            colour(index + 1),
            points.join(" "),
            bottom + 14.0,
            width - 20,
            bottom + 14.0,
        );
    }
    text.push_str("</svg>\n");
    text
}
