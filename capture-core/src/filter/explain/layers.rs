//! Where the boxes of a picture go: in layers, so that every line leads down, near to what they
//! are joined with, and with few crossings.
//!
//! Owns positions only; knows nothing of what a box shows. A line over several layers passes
//! through a point in each. Lines to the same box share these points.

use crate::filter::ir::hash::Map;

/// A box to place. Boxes lead only to boxes after them.
pub(super) struct Item {
    pub(super) width: f64,
    /// Lines: the box that each leads to, and where it begins, from the left.
    pub(super) lines: Vec<(usize, f64)>,
}

/// Where everything went.
pub(super) struct Placed {
    /// The left side and the layer of each box.
    pub(super) boxes: Vec<(f64, usize)>,
    /// For each line of each box, the points between: middle and layer.
    pub(super) points: Vec<Vec<Vec<(f64, usize)>>>,
    pub(super) width: f64,
    pub(super) layers: usize,
}

/// Between neighbours of a layer.
const GAP: f64 = 28.0;
/// How often the order and the places are improved.
const SWEEPS: usize = 12;

/// A box, or a point of lines that lead to a box further down.
struct Part {
    width: f64,
    layer: usize,
    /// The parts below that it is joined with, and where the line begins, from the left.
    below: Vec<(usize, f64)>,
    above: Vec<(usize, f64)>,
    x: f64,
}

/// Places `items`. The first is at the top.
pub(super) fn place(items: &[Item]) -> Placed {
    let layer_of = longest_ways(items);
    let mut parts: Vec<Part> = (items.iter().zip(&layer_of))
        .map(|(item, layer)| Part {
            width: item.width,
            layer: *layer,
            below: Vec::new(),
            above: Vec::new(),
            x: 0.0,
        })
        .collect();
    let ways = join(items, &mut parts);
    let layers = layer_of.iter().max().map_or(0, |last| last + 1);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); layers];
    for (at, part) in parts.iter().enumerate() {
        if let Some(row) = rows.get_mut(part.layer) {
            row.push(at);
        }
    }
    for row in &rows {
        settle(row, &vec![0.0; row.len()], &mut parts);
    }
    for sweep in 0..SWEEPS {
        let downwards = sweep % 2 == 0;
        // The order is final for the last sweeps, which only move.
        let sorts = sweep + 4 < SWEEPS;
        for at in 0..layers {
            let row = if downwards { at } else { layers - 1 - at };
            if let Some(row) = rows.get_mut(row) {
                improve(row, downwards, sorts, &mut parts);
            }
        }
    }
    finish(items, &parts, &ways, layers)
}

/// The layer of each box: as far down as its longest way from the top.
fn longest_ways(items: &[Item]) -> Vec<usize> {
    let mut layers = vec![0; items.len()];
    for (at, item) in items.iter().enumerate() {
        let next = layers.get(at).map_or(0, |layer| layer + 1);
        for (to, _) in &item.lines {
            if let Some(layer) = layers.get_mut(*to) {
                *layer = next.max(*layer);
            }
        }
    }
    layers
}

/// Joins the parts, with points for lines that pass layers. For each line of each box, the points
/// that it takes.
fn join(items: &[Item], parts: &mut Vec<Part>) -> Vec<Vec<Vec<usize>>> {
    let mut points: Map<(usize, usize), usize> = Map::default();
    let mut ways = Vec::with_capacity(items.len());
    for (from, item) in items.iter().enumerate() {
        let mut of_item = Vec::with_capacity(item.lines.len());
        for (to, begin) in &item.lines {
            let (first, last) = match (parts.get(from), parts.get(*to)) {
                (Some(from), Some(to)) => (from.layer + 1, to.layer),
                _ => continue,
            };
            let mut way = Vec::new();
            let (mut above, mut begin) = (from, *begin);
            for layer in first..last {
                let known = points.get(&(*to, layer)).copied();
                let point = known.unwrap_or_else(|| {
                    points.insert((*to, layer), parts.len());
                    parts.push(Part {
                        width: 2.0,
                        layer,
                        below: Vec::new(),
                        above: Vec::new(),
                        x: 0.0,
                    });
                    parts.len() - 1
                });
                way.push(point);
                link(parts, above, point, begin);
                (above, begin) = (point, 1.0);
            }
            link(parts, above, *to, begin);
            of_item.push(way);
        }
        ways.push(of_item);
    }
    ways
}

fn link(parts: &mut [Part], above: usize, below: usize, begin: f64) {
    let Some(part) = parts.get_mut(above) else {
        return;
    };
    // Lines that share a point share what follows.
    if part.below.contains(&(below, begin)) {
        return;
    }
    part.below.push((below, begin));
    if let Some(part) = parts.get_mut(below) {
        part.above.push((above, begin));
    }
}

/// Moves the parts of a row to where those above (or below) want them.
fn improve(row: &mut [usize], downwards: bool, sorts: bool, parts: &mut [Part]) {
    let wish = |at: usize| -> Option<f64> {
        let part = parts.get(at)?;
        let x = |other: usize| parts.get(other).map_or(0.0, |other| other.x);
        let middle = |other: usize| parts.get(other).map_or(0.0, |other| other.width / 2.0);
        let (sum, count) = match downwards {
            // Its middle below where the lines begin.
            true => (
                (part.above.iter())
                    .map(|(other, begin)| x(*other) + begin - part.width / 2.0)
                    .sum::<f64>(),
                part.above.len(),
            ),
            // Where its lines begin above the middles.
            false => (
                (part.below.iter())
                    .map(|(other, begin)| x(*other) + middle(*other) - begin)
                    .sum::<f64>(),
                part.below.len(),
            ),
        };
        Some(if count == 0 {
            part.x
        } else {
            sum / count as f64
        })
    };
    let mut wishes: Vec<(usize, f64)> = row
        .iter()
        .map(|at| (*at, wish(*at).unwrap_or(0.0)))
        .collect();
    if sorts {
        let middle = |at: usize| parts.get(at).map_or(0.0, |part| part.width / 2.0);
        wishes.sort_by(|a, b| (a.1 + middle(a.0)).total_cmp(&(b.1 + middle(b.0))));
    }
    for (place, (at, _)) in row.iter_mut().zip(&wishes) {
        *place = *at;
    }
    let wishes: Vec<f64> = wishes.into_iter().map(|(_, wish)| wish).collect();
    settle(row, &wishes, parts);
}

/// Places a row in its order, each as near to its wish as the others let it: the least sum of
/// squares, by pooling neighbours that want to pass each other.
fn settle(row: &[usize], wishes: &[f64], parts: &mut [Part]) {
    // Without widths and gaps, neighbours need only not be out of order.
    let mut offsets = Vec::with_capacity(row.len());
    let mut offset = 0.0;
    for at in row {
        offsets.push(offset);
        offset += parts.get(*at).map_or(0.0, |part| part.width) + GAP;
    }
    // Groups of neighbours that stand together: the sum of their wishes, and how many they are.
    let mut groups: Vec<(f64, usize)> = Vec::with_capacity(row.len());
    for (wish, offset) in wishes.iter().zip(&offsets) {
        groups.push((wish - offset, 1));
        while let [.., (before, many), (sum, count)] = groups[..]
            && before / many as f64 > sum / count as f64
        {
            groups.truncate(groups.len() - 2);
            groups.push((before + sum, many + count));
        }
    }
    let places = groups
        .into_iter()
        .flat_map(|(sum, count)| std::iter::repeat_n(sum / count as f64, count));
    for ((at, offset), place) in row.iter().zip(offsets).zip(places) {
        if let Some(part) = parts.get_mut(*at) {
            part.x = place + offset;
        }
    }
}

fn finish(items: &[Item], parts: &[Part], ways: &[Vec<Vec<usize>>], layers: usize) -> Placed {
    let left = parts.iter().map(|part| part.x).fold(f64::MAX, f64::min);
    let right = (parts.iter())
        .map(|part| part.x + part.width)
        .fold(f64::MIN, f64::max);
    let boxes = parts.iter().take(items.len());
    let point = |at: &usize| {
        let part = parts.get(*at);
        part.map_or((0.0, 0), |part| {
            (part.x - left + part.width / 2.0, part.layer)
        })
    };
    Placed {
        boxes: boxes.map(|part| (part.x - left, part.layer)).collect(),
        points: ways
            .iter()
            .map(|lines| {
                (lines.iter())
                    .map(|way| way.iter().map(point).collect())
                    .collect()
            })
            .collect(),
        width: (right - left).max(0.0),
        layers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes_are_apart(items: &[Item], placed: &Placed) {
        for (at, (x, layer)) in placed.boxes.iter().enumerate() {
            assert!(*x >= -0.01 && x + items[at].width <= placed.width + 0.01);
            for (other, (y, other_layer)) in placed.boxes.iter().enumerate().skip(at + 1) {
                let apart = x + items[at].width <= *y || y + items[other].width <= *x;
                assert!(layer != other_layer || apart, "{at} and {other} overlap");
            }
            for (to, _) in &items[at].lines {
                assert!(placed.boxes[*to].1 > *layer, "{at} to {to} leads up");
            }
        }
    }

    #[test]
    fn boxes_do_not_overlap_and_lines_lead_down() {
        // A chain with side ways, then everything joined with the end.
        for count in [1usize, 2, 7, 60] {
            let items: Vec<Item> = (0..count)
                .map(|at| Item {
                    width: 60.0 + (at * 37 % 90) as f64,
                    lines: [at + 1, at * 2 + 1, at * 3 + 2, count - 1]
                        .into_iter()
                        .filter(|to| *to > at && *to < count)
                        .enumerate()
                        .map(|(nth, to)| (to, 10.0 + 12.0 * nth as f64))
                        .collect(),
                })
                .collect();
            let placed = place(&items);
            boxes_are_apart(&items, &placed);
            for (at, item) in items.iter().enumerate() {
                for (nth, (to, _)) in item.lines.iter().enumerate() {
                    let passed = placed.boxes[*to].1 - placed.boxes[at].1 - 1;
                    assert_eq!(placed.points[at][nth].len(), passed);
                }
            }
        }
    }

    #[test]
    fn one_below_the_other_stands_there() {
        let line = |to| vec![(to, 50.0)];
        let item = |lines| Item {
            width: 100.0,
            lines,
        };
        let placed = place(&[item(line(1)), item(line(2)), item(Vec::new())]);
        let lefts: Vec<f64> = placed.boxes.iter().map(|(x, _)| *x).collect();
        assert!(lefts.iter().all(|x| x.abs() < 0.5), "{lefts:?}");
    }
}
