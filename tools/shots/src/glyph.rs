//! A cell's glyph as the share of each pixel that it covers: letters from the font; lines, blocks
//! and braille as shapes, as terminals draw them, so that neighbours meet; and the marks that the
//! font lacks.
#![expect(clippy::cast_precision_loss, reason = "a cell is a few pixels wide and high")]

use ab_glyph::{Font as _, PxScale, ScaleFont as _};
use ab_glyph_rasterizer::{Point, Rasterizer, point};
use color_eyre::eyre::{Report, bail};

use crate::paint::{CELL, Fonts};
use crate::play::Cell;

/// Coverage, 0 to 255, row by row.
pub(crate) type Mask = Vec<u8>;

const W: f32 = CELL.0 as f32;
const H: f32 = CELL.1 as f32;
/// Where marks sit: the middle of capital letters.
const MIDDLE: (f32, f32) = (W / 2.0, H / 2.0);

pub(crate) fn mask(fonts: &Fonts<'_>, cell: &Cell) -> Result<Mask, Report> {
    let c = cell.text.chars().next().unwrap_or(' ');
    let mut mask = vec![0; CELL.0 * CELL.1];
    match c {
        ' ' | '\u{a0}' => {}
        '\u{2500}'..='\u{257f}' => lines(&mut mask, c)?,
        '\u{2580}'..='\u{259f}' => blocks(&mut mask, c)?,
        '\u{2800}'..='\u{28ff}' => braille(&mut mask, c),
        '✔' | '✖' | '▲' | '◆' | '●' | '○' | '◐' | '■' | '↷' => mark(&mut mask, c),
        c => letter(&mut mask, fonts, c, cell.bold)?,
    }
    Ok(mask)
}

fn letter(mask: &mut Mask, fonts: &Fonts<'_>, c: char, bold: bool) -> Result<(), Report> {
    let font = if bold { &fonts.bold } else { &fonts.regular };
    let id = font.glyph_id(c);
    if id.0 == 0 {
        bail!("the font has no {c:?}; draw it in tools/shots/src/glyph.rs");
    }
    let scaled = font.as_scaled(PxScale::from(H));
    let at = point(0.0, scaled.ascent());
    let glyph = id.with_scale_and_position(PxScale::from(H), at);
    let Some(outline) = font.outline_glyph(glyph) else { return Ok(()) };
    let bounds = outline.px_bounds();
    outline.draw(|x, y, covered| {
        put(
            mask,
            pixel(bounds.min.x) + pixel(x as f32),
            pixel(bounds.min.y) + pixel(y as f32),
            covered,
        );
    });
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "a cell is a few pixels wide")]
fn pixel(at: f32) -> i32 {
    at.round() as i32
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 255")]
fn put(mask: &mut Mask, x: i32, y: i32, covered: f32) {
    let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
    if x < CELL.0 && y < CELL.1 {
        let value = (covered.clamp(0.0, 1.0) * 255.0) as u8;
        mask[y * CELL.0 + x] = mask[y * CELL.0 + x].max(value);
    }
}

/// Fills whole pixels.
fn fill(mask: &mut Mask, x: std::ops::Range<usize>, y: std::ops::Range<usize>, value: u8) {
    for row in y.start..y.end.min(CELL.1) {
        mask[row * CELL.0..][x.start..x.end.min(CELL.0)].fill(value);
    }
}

/// How thick the four arms of a line are: left, right, up, down; 1 light, 2 heavy.
fn arms(c: char) -> Option<[usize; 4]> {
    Some(match c {
        '─' => [1, 1, 0, 0],
        '━' => [2, 2, 0, 0],
        '│' => [0, 0, 1, 1],
        '┃' => [0, 0, 2, 2],
        '┌' | '╭' => [0, 1, 0, 1],
        '┐' | '╮' => [1, 0, 0, 1],
        '└' | '╰' => [0, 1, 1, 0],
        '┘' | '╯' => [1, 0, 1, 0],
        '├' => [0, 1, 1, 1],
        '┤' => [1, 0, 1, 1],
        '┬' => [1, 1, 0, 1],
        '┴' => [1, 1, 1, 0],
        '┼' => [1, 1, 1, 1],
        '╴' => [1, 0, 0, 0],
        '╶' => [0, 1, 0, 0],
        '╵' => [0, 0, 1, 0],
        '╷' => [0, 0, 0, 1],
        _ => return None,
    })
}

fn lines(mask: &mut Mask, c: char) -> Result<(), Report> {
    let (x, y) = (CELL.0 / 2, CELL.1 / 2);
    match c {
        '╌' | '┄' => {
            for from in [1, 6] {
                fill(mask, from..from + 3, y..y + 1, 255);
            }
            return Ok(());
        }
        '╎' | '┆' => {
            for from in [2, 9, 16] {
                fill(mask, x..x + 1, from..from + 4, 255);
            }
            return Ok(());
        }
        _ => {}
    }
    let Some([left, right, up, down]) = arms(c) else {
        bail!("the line {c:?} is not known; add its arms in tools/shots/src/glyph.rs");
    };
    fill(mask, 0..if left > 0 { x + 1 } else { 0 }, y..y + left, 255);
    fill(mask, x..if right > 0 { CELL.0 } else { x }, y..y + right, 255);
    fill(mask, x..x + up, 0..if up > 0 { y + 1 } else { 0 }, 255);
    fill(mask, x..x + down, y..if down > 0 { CELL.1 } else { y }, 255);
    Ok(())
}

fn blocks(mask: &mut Mask, c: char) -> Result<(), Report> {
    let eighth = |count: usize, of: usize| (count * of + 4) / 8;
    let (w, h) = CELL;
    let code = usize::try_from(u32::from(c)).unwrap_or(0);
    match c {
        '▀' => fill(mask, 0..w, 0..h / 2, 255),
        '▁'..='█' => fill(mask, 0..w, h - eighth(code - 0x2580, h)..h, 255),
        '▉'..='▏' => fill(mask, 0..eighth(0x2590 - code, w), 0..h, 255),
        '▐' => fill(mask, w / 2..w, 0..h, 255),
        '░' => fill(mask, 0..w, 0..h, 64),
        '▒' => fill(mask, 0..w, 0..h, 128),
        '▓' => fill(mask, 0..w, 0..h, 192),
        '▔' => fill(mask, 0..w, 0..eighth(1, h), 255),
        '▕' => fill(mask, w - eighth(1, w)..w, 0..h, 255),
        _ => bail!("the block {c:?} is not known; add it in tools/shots/src/glyph.rs"),
    }
    Ok(())
}

/// Eight dots in two columns; bits as Unicode numbers them.
fn braille(mask: &mut Mask, c: char) {
    const BITS: [(u32, f32, f32); 8] = [
        (0x01, 0.25, 0.14),
        (0x02, 0.25, 0.38),
        (0x04, 0.25, 0.62),
        (0x40, 0.25, 0.86),
        (0x08, 0.75, 0.14),
        (0x10, 0.75, 0.38),
        (0x20, 0.75, 0.62),
        (0x80, 0.75, 0.86),
    ];
    let bits = u32::from(c) - 0x2800;
    for (_, x, y) in BITS.iter().filter(|(bit, ..)| bits & bit != 0) {
        shape(mask, &[circle((x * W, y * H), 1.45)]);
    }
}

type Polygon = Vec<(f32, f32)>;

fn circle((x, y): (f32, f32), radius: f32) -> Polygon {
    (0..32)
        .map(|step| {
            let turn = step as f32 / 32.0 * std::f32::consts::TAU;
            (x + radius * turn.cos(), y + radius * turn.sin())
        })
        .collect()
}

/// The same outline the other way round, which cuts a hole.
fn hole(mut polygon: Polygon) -> Polygon {
    polygon.reverse();
    polygon
}

/// The marks of states and slots, all of one height.
fn mark(mask: &mut Mask, c: char) {
    let (x, y) = MIDDLE;
    let r = 4.3;
    let moved = |points: &[(f32, f32)]| -> Polygon {
        points.iter().map(|(dx, dy)| (x + dx, y + dy)).collect()
    };
    let polygons: Vec<Polygon> = match c {
        '■' => vec![moved(&[(-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0)])],
        '◆' => vec![moved(&[(0.0, -5.0), (4.8, 0.0), (0.0, 5.0), (-4.8, 0.0)])],
        '▲' => vec![moved(&[(0.0, -4.6), (4.9, 4.2), (-4.9, 4.2)])],
        '●' => vec![circle(MIDDLE, r)],
        '○' => vec![circle(MIDDLE, r), hole(circle(MIDDLE, r - 1.3))],
        '◐' => {
            let half: Polygon = (8..=24)
                .map(|step| {
                    let turn = step as f32 / 32.0 * std::f32::consts::TAU;
                    (x + (r - 1.0) * turn.cos(), y + (r - 1.0) * turn.sin())
                })
                .collect();
            vec![circle(MIDDLE, r), hole(circle(MIDDLE, r - 1.3)), half]
        }
        '✔' => vec![moved(&[
            (-4.6, 0.6),
            (-3.2, -0.8),
            (-1.5, 1.4),
            (3.4, -4.8),
            (4.8, -3.8),
            (-1.3, 4.4),
        ])],
        '✖' => {
            let bar = |s: f32| -> Polygon {
                moved(&[(-4.4 * s, -3.2), (-3.2 * s, -4.4), (4.4 * s, 3.2), (3.2 * s, 4.4)])
            };
            vec![bar(1.0), hole(bar(-1.0))]
        }
        // A step that was jumped over: an arc with its arrow.
        _ => {
            let arc = |radius: f32| {
                (16..=30).map(move |step| {
                    let turn = step as f32 / 32.0 * std::f32::consts::TAU;
                    (x - 0.4 + radius * turn.cos(), y + 1.6 + radius * turn.sin())
                })
            };
            let band = arc(4.4).chain(arc(3.1).rev()).collect();
            vec![band, moved(&[(1.2, 0.4), (5.0, -1.4), (4.6, 3.2)])]
        }
    };
    shape(mask, &polygons);
}

/// Fills polygons; one that turns the other way cuts out of what it lies in.
fn shape(mask: &mut Mask, polygons: &[Polygon]) {
    let mut raster = Rasterizer::new(CELL.0, CELL.1);
    let at = |(x, y): (f32, f32)| -> Point { point(x.clamp(0.0, W), y.clamp(0.0, H)) };
    for polygon in polygons {
        let next = polygon.iter().skip(1).chain(polygon.first());
        for (from, to) in polygon.iter().zip(next) {
            raster.draw_line(at(*from), at(*to));
        }
    }
    raster.for_each_pixel_2d(|x, y, covered| {
        put(mask, pixel(x as f32), pixel(y as f32), covered.abs());
    });
}
