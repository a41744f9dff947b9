//! The highest rate at which a program loses nothing: how to search for it.
//!
//! Short probes close in on it; a long run then confirms it, or goes down in
//! steps until one does. Owns the arithmetic; `parts` makes the runs.

/// Rates this close together are one: a step of the search.
pub const STEP: f64 = 1.06;
/// The slowest probe.
const LEAST: f64 = 1000.0;
/// Most probes of a search.
pub const MOST_PROBES: usize = 8;

/// A run at some rate.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Frames sent in a second.
    pub rate: f64,
    /// Of those, kept.
    pub kept_rate: f64,
    /// Whether every frame was kept.
    pub is_whole: bool,
}

/// A search for the highest rate that loses nothing.
#[derive(Clone, Debug, Default)]
pub struct Search {
    probes: Vec<Probe>,
}

impl Search {
    /// Takes what a probe has found.
    pub fn add(&mut self, probe: Probe) {
        self.probes.push(probe);
    }

    /// The next rate to probe in frames per second, 0 for as fast as it goes;
    /// nothing when the search is over.
    pub fn next(&self) -> Option<u64> {
        let Some(last) = self.probes.last() else {
            return Some(0);
        };
        if self.probes.len() >= MOST_PROBES {
            return None;
        }
        let (floor, ceiling) = (self.floor(), self.ceiling()?);
        if floor > 0.0 && ceiling / floor <= STEP {
            return None;
        }
        // What an overloaded program still keeps is near to what it can do, unless
        // that says nothing new.
        let guess = last.kept_rate * 0.98;
        let is_news = guess > floor * STEP && guess < ceiling / STEP;
        Some(match (last.is_whole, floor > 0.0) {
            (false, true) if is_news => guess,
            (false, false) => guess.clamp(LEAST, ceiling / STEP),
            _ => f64::sqrt(floor * ceiling),
        } as u64)
    }

    /// The highest rate that lost nothing; 0 if there was none.
    pub fn floor(&self) -> f64 {
        let ceiling = self.ceiling().unwrap_or(f64::INFINITY);
        let whole = self.probes.iter().filter(|probe| probe.is_whole);
        // One above a rate that failed was luck.
        let below = whole.filter(|probe| probe.rate < ceiling);
        below.map(|probe| probe.rate).fold(0.0, f64::max)
    }

    /// Whether not even the generator's full rate was too much.
    pub fn is_unlimited(&self) -> bool {
        self.ceiling().is_none()
    }

    /// The lowest rate that lost something.
    fn ceiling(&self) -> Option<f64> {
        let failed = self.probes.iter().filter(|probe| !probe.is_whole);
        failed.map(|probe| probe.rate).min_by(f64::total_cmp)
    }
}

/// The rate of the next try, after one whose loss showed that `rate` is too
/// high. `full` is what 0, the generator's full rate, turned out to be.
pub fn step_down(rate: u64, full: f64) -> u64 {
    let rate = if rate == 0 { full } else { rate as f64 };
    (rate / STEP) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches for the limit of a program that keeps `over` of its limit when
    /// it is overloaded.
    fn search(limit: f64, full: f64, over: f64) -> Search {
        let mut search = Search::default();
        while let Some(rate) = search.next() {
            let rate = if rate == 0 { full } else { rate as f64 };
            let is_whole = rate <= limit;
            search.add(Probe {
                rate,
                kept_rate: if is_whole { rate } else { limit * over },
                is_whole,
            });
        }
        search
    }

    #[test]
    fn it_ends_near_the_limit_and_never_above() {
        for limit in [30_000.0, 123_456.0, 700_000.0, 1_200_000.0] {
            for over in [0.3, 0.6, 0.9, 1.0, 1.1] {
                let search = search(limit, 1_500_000.0, over);
                let found = search.floor();
                assert!(found <= limit, "{limit} {over}: {found}");
                assert!(found > limit / 1.25, "{limit} {over}: {found} {search:?}");
                assert!(search.probes.len() <= MOST_PROBES);
            }
        }
    }

    #[test]
    fn one_probe_is_enough_where_the_generator_is_the_limit() {
        let search = search(2e6, 1.5e6, 1.0);
        assert!(search.is_unlimited());
        assert_eq!((search.probes.len(), search.floor()), (1, 1.5e6));
    }

    #[test]
    fn a_rate_that_was_luck_does_not_count() {
        let mut search = Search::default();
        for (rate, is_whole) in [(90.0, false), (50.0, true), (70.0, true), (60.0, false)] {
            let kept_rate = rate;
            search.add(Probe {
                rate,
                kept_rate,
                is_whole,
            });
        }
        assert_eq!(search.floor(), 50.0);
        assert_eq!(step_down(0, 106.0), 100);
    }
}
