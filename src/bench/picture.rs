//! Curves as a picture, for the documentation.

use std::io;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

const WIDTH: u32 = 900;
/// Of one panel.
const HEIGHT: u32 = 230;
const COLOURS: [RGBColor; 4] =
    [RGBColor(42, 100, 180), RGBColor(200, 80, 40), RGBColor(60, 140, 70), RGBColor(120, 80, 160)];

/// Panels one below the other, all along the same axis.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// What the axis counts.
    pub(super) along: &'static str,
    /// Whether the axis grows by powers of ten.
    pub(super) by_powers: bool,
    pub(super) panels: Vec<Panel>,
}

/// Curves that share a scale, which begins at zero.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// What is drawn, and in which unit.
    pub(super) title: &'static str,
    pub(super) curves: Vec<Curve>,
}

#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

impl Picture {
    /// As SVG.
    ///
    /// Errors: nothing to draw.
    pub(super) fn svg(&self) -> io::Result<String> {
        let points = || self.panels.iter().flat_map(|panel| &panel.curves).flat_map(|curve| &curve.points);
        let first = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
        let last = points().map(|point| point.0).fold(f64::NEG_INFINITY, f64::max);
        if !(first.is_finite() && last.is_finite()) {
            return Err(io::Error::other("there is nothing to draw"));
        }
        let mut svg = String::new();
        let height = HEIGHT * u32::try_from(self.panels.len()).map_err(io::Error::other)?;
        let whole = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        whole.fill(&WHITE).map_err(io::Error::other)?;
        for (panel, area) in self.panels.iter().zip(whole.split_evenly((self.panels.len(), 1))) {
            if self.by_powers {
                self.draw(panel, &area, (first..last).log_scale())?;
            } else {
                self.draw(panel, &area, first..last)?;
            }
        }
        whole.present().map_err(io::Error::other)?;
        drop(whole);
        Ok(svg)
    }

    fn draw<Along>(
        &self,
        panel: &Panel,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        along: Along,
    ) -> io::Result<()>
    where
        Along: AsRangedCoord<Value = f64>,
        Along::CoordDescType: ValueFormatter<f64>,
    {
        let values = panel.curves.iter().flat_map(|curve| &curve.points).map(|point| point.1);
        let most = values.fold(f64::MIN_POSITIVE, f64::max);
        let mut chart = ChartBuilder::on(area)
            .caption(panel.title, ("sans-serif", 15))
            .margin(8)
            .x_label_area_size(32)
            .y_label_area_size(60)
            .build_cartesian_2d(along, 0.0..most * 1.1)
            .map_err(io::Error::other)?;
        chart
            .configure_mesh()
            .x_desc(self.along)
            .x_label_formatter(&|value| number(*value))
            .y_label_formatter(&|value| number(*value))
            .y_labels(5)
            .light_line_style(TRANSPARENT)
            .draw()
            .map_err(io::Error::other)?;
        for (curve, colour) in panel.curves.iter().zip(COLOURS.iter().cycle()) {
            chart
                .draw_series(LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)))
                .map_err(io::Error::other)?
                .label(curve.name)
                .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .draw()
            .map_err(io::Error::other)
    }
}

/// As short as it can be read without guessing.
fn number(value: f64) -> String {
    match value {
        millions if millions >= 1e6 => format!("{} M", millions / 1e6),
        thousands if thousands >= 1e4 => format!("{} k", thousands / 1e3),
        small => format!("{}", (small * 1e3).round() / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::{Curve, Panel, Picture};

    fn picture(points: Vec<(f64, f64)>) -> Picture {
        let curves =
            vec![Curve { name: "middle", points: points.clone() }, Curve { name: "slowest", points }];
        Picture { along: "events stored", by_powers: true, panels: vec![Panel { title: "time, ms", curves }] }
    }

    #[test]
    fn each_curve_is_drawn_and_named() {
        let svg = picture(vec![(5e4, 1.0), (5e5, 1.5), (5e6, 1.25)]).svg().unwrap();
        for part in ["<svg", "time, ms", "events stored", "middle", "slowest", "100 k"] {
            assert!(svg.contains(part), "`{part}` is missing in {svg}");
        }
        // Two curves and their two signs in the legend.
        assert_eq!(svg.matches("stroke-width=\"2\"").count(), 4, "{svg}");
    }

    #[test]
    fn nothing_cannot_be_drawn() {
        assert!(picture(Vec::new()).svg().is_err());
    }
}
