//! A screen as pixels. A terminal is a grid of cells, so nothing has to be laid out: every cell is
//! filled, and its glyph put over it.

use ab_glyph::FontRef;
use color_eyre::eyre::{Report, WrapErr as _};

use crate::glyph::{self, Mask};
use crate::play::{Cell, Frame, Ink};

/// Pixels of a cell: the font's own proportions at 16.7 pixels an em.
pub(crate) const CELL: (usize, usize) = (10, 22);
/// Pixels around the screen.
const EDGE: usize = 10;

/// Steps between the ground and the ink of a glyph's edge: few, so that a palette holds them all.
const STEPS: [u8; 3] = [15, 7, 3];

/// One colour.
pub(crate) type Rgb = [u8; 3];

/// A picture with a palette.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// At most 256.
    pub(crate) palette: Vec<Rgb>,
    pub(crate) pixels: Vec<u8>,
}

/// The fonts, read once a picture.
pub(crate) struct Fonts<'a> {
    pub(crate) regular: FontRef<'a>,
    pub(crate) bold: FontRef<'a>,
}

impl Fonts<'static> {
    fn shipped() -> Result<Self, Report> {
        let read = |bytes| FontRef::try_from_slice(bytes).wrap_err("failed to read a font");
        Ok(Self {
            regular: read(include_bytes!("../fonts/JetBrainsMono-Regular.ttf"))?,
            bold: read(include_bytes!("../fonts/JetBrainsMono-Bold.ttf"))?,
        })
    }
}

/// Paints a screen, with as many shades as a palette of 256 colours holds.
pub(crate) fn paint(frame: &Frame) -> Result<Image, Report> {
    let fonts = Fonts::shipped()?;
    let (width, height, colours) = (0..STEPS.len())
        .map(|at| shaded(frame, &fonts, STEPS[at]))
        .find_map(|shaded| match shaded {
            Ok((width, height, pixels)) => {
                let mut palette: Vec<Rgb> = pixels.clone();
                palette.sort_unstable();
                palette.dedup();
                (palette.len() <= 256).then_some(Ok((width, height, (palette, pixels))))
            }
            Err(error) => Some(Err(error)),
        })
        .unwrap_or_else(|| Err(color_eyre::eyre::eyre!("a screen has more than 256 colours")))?;
    let (palette, pixels) = colours;
    let index = |rgb: &Rgb| palette.binary_search(rgb).ok().and_then(|at| u8::try_from(at).ok());
    let pixels = pixels.iter().map(|rgb| index(rgb).unwrap_or(0)).collect();
    Ok(Image { width, height, palette, pixels })
}

fn shaded(frame: &Frame, fonts: &Fonts<'_>, steps: u8) -> Result<(usize, usize, Vec<Rgb>), Report> {
    let (columns, rows) = (usize::from(frame.size.0), usize::from(frame.size.1));
    let (width, height) = (columns * CELL.0 + 2 * EDGE, rows * CELL.1 + 2 * EDGE);
    // What surrounds the screen looks like its last, emptiest corner.
    let (_, around) = inks(frame.cell(frame.size.0 - 1, frame.size.1 - 1), frame.light);
    let mut pixels = vec![around; width * height];
    for y in 0..frame.size.1 {
        for x in 0..frame.size.0 {
            let cell = frame.cell(x, y);
            let (fg, bg) = inks(cell, frame.light);
            let (left, top) = (EDGE + usize::from(x) * CELL.0, EDGE + usize::from(y) * CELL.1);
            let mask = glyph::mask(fonts, cell)?;
            stamp(&mut pixels, width, (left, top), (fg, bg), &mask, steps);
            if cell.underline {
                let line = &mut pixels[(top + CELL.1 - 3) * width + left..][..CELL.0];
                line.fill(fg);
            }
        }
    }
    Ok((width, height, pixels))
}

fn stamp(
    pixels: &mut [Rgb],
    width: usize,
    (left, top): (usize, usize),
    (fg, bg): (Rgb, Rgb),
    mask: &Mask,
    steps: u8,
) {
    for (at, row) in mask.chunks(CELL.0).enumerate() {
        let line = &mut pixels[(top + at) * width + left..][..CELL.0];
        for (pixel, covered) in line.iter_mut().zip(row) {
            *pixel = mix(bg, fg, *covered, steps);
        }
    }
}

/// A colour between two, in few steps.
fn mix(from: Rgb, to: Rgb, covered: u8, steps: u8) -> Rgb {
    let (steps, covered) = (u32::from(steps), u32::from(covered));
    let step = (covered * steps + 127) / 255;
    let part = |a: u8, b: u8| {
        let (a, b) = (u32::from(a), u32::from(b));
        u8::try_from((a * (steps - step) + b * step) / steps).unwrap_or(u8::MAX)
    };
    [part(from[0], to[0]), part(from[1], to[1]), part(from[2], to[2])]
}

/// The colours of a cell's glyph and ground.
fn inks(cell: &Cell, light: bool) -> (Rgb, Rgb) {
    let (ink, ground) =
        if light { ([0x1d, 0x27, 0x33], [0xfb; 3]) } else { ([0xd0; 3], [0x14, 0x16, 0x1a]) };
    let fg = rgb(cell.fg, ink);
    let bg = rgb(cell.bg, ground);
    let (fg, bg) = if cell.inverse { (bg, fg) } else { (fg, bg) };
    if cell.dim { (mix(bg, fg, 160, 255), bg) } else { (fg, bg) }
}

/// What the usual terminals show for the 16 names and the cube of 256.
fn rgb(ink: Ink, default: Rgb) -> Rgb {
    const NAMED: [Rgb; 16] = [
        [0x00, 0x00, 0x00],
        [0xcd, 0x31, 0x31],
        [0x0d, 0xbc, 0x79],
        [0xc9, 0xa5, 0x20],
        [0x24, 0x72, 0xc8],
        [0xbc, 0x3f, 0xbc],
        [0x11, 0xa8, 0xcd],
        [0xcc, 0xcc, 0xcc],
        [0x66, 0x66, 0x66],
        [0xf1, 0x4c, 0x4c],
        [0x23, 0xd1, 0x8b],
        [0xf5, 0xf5, 0x43],
        [0x3b, 0x8e, 0xea],
        [0xd6, 0x70, 0xd6],
        [0x29, 0xb8, 0xdb],
        [0xff, 0xff, 0xff],
    ];
    const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];
    match ink {
        Ink::Default => default,
        Ink::Rgb(r, g, b) => [r, g, b],
        Ink::Index(index @ 0..=15) => NAMED[usize::from(index)],
        Ink::Index(index @ 16..=231) => {
            let at = usize::from(index - 16);
            [CUBE[at / 36], CUBE[at / 6 % 6], CUBE[at % 6]]
        }
        Ink::Index(index) => [8 + 10 * (index - 232); 3],
    }
}
