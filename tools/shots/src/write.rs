//! Pictures, films and hashes on disk.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use color_eyre::eyre::{Report, WrapErr as _, eyre};

use crate::Hashes;
use crate::paint::{self, Image};
use crate::play::Frame;

fn make_folder(path: &Path) -> Result<(), Report> {
    let folder = path.parent().ok_or_else(|| eyre!("{} has no folder", path.display()))?;
    fs::create_dir_all(folder).wrap_err_with(|| format!("failed to make {}", folder.display()))
}

/// Writes a picture with its palette.
pub(crate) fn png(path: &Path, image: &Image) -> Result<(), Report> {
    make_folder(path)?;
    let failed = || format!("failed to write {}", path.display());
    let file = fs::File::create(path).wrap_err_with(failed)?;
    let (width, height) = (u32::try_from(image.width)?, u32::try_from(image.height)?);
    let mut encoder = png::Encoder::new(std::io::BufWriter::new(file), width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(image.palette.concat());
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().wrap_err_with(failed)?;
    writer.write_image_data(&image.pixels).wrap_err_with(failed)
}

/// Writes a film. A frame holds only what changed, with a palette of its own.
pub(crate) fn gif(path: &Path, frames: &[Frame]) -> Result<(), Report> {
    make_folder(path)?;
    let failed = || format!("failed to write {}", path.display());
    let mut encoder: Option<gif::Encoder<std::io::BufWriter<fs::File>>> = None;
    let mut before: Option<Image> = None;
    for frame in frames {
        let image = paint::paint(frame)?;
        let (width, height) = (u16::try_from(image.width)?, u16::try_from(image.height)?);
        if encoder.is_none() {
            let file = std::io::BufWriter::new(fs::File::create(path).wrap_err_with(failed)?);
            let mut new = gif::Encoder::new(file, width, height, &[]).wrap_err_with(failed)?;
            new.set_repeat(gif::Repeat::Infinite).wrap_err_with(failed)?;
            encoder = Some(new);
        }
        let area = before
            .as_ref()
            .map_or((0, 0, image.width, image.height), |before| changed(before, &image));
        let (left, top, right, bottom) = area;
        let mut pixels = Vec::with_capacity((right - left) * (bottom - top));
        for y in top..bottom {
            pixels.extend_from_slice(&image.pixels[y * image.width..][left..right]);
        }
        let shown = gif::Frame {
            delay: u16::try_from(frame.shown_ms / 10).unwrap_or(u16::MAX),
            left: u16::try_from(left)?,
            top: u16::try_from(top)?,
            width: u16::try_from(right - left)?,
            height: u16::try_from(bottom - top)?,
            palette: Some(image.palette.concat()),
            buffer: Cow::Owned(pixels),
            ..gif::Frame::default()
        };
        if let Some(encoder) = &mut encoder {
            encoder.write_frame(&shown).wrap_err_with(failed)?;
        }
        before = Some(image);
    }
    Ok(())
}

/// The smallest area outside of which nothing changed, at least one pixel.
fn changed(before: &Image, after: &Image) -> (usize, usize, usize, usize) {
    let colour =
        |image: &Image, at: usize| image.palette.get(usize::from(image.pixels[at])).copied();
    let (mut left, mut top, mut right, mut bottom) = (after.width, after.height, 0, 0);
    for at in 0..after.pixels.len() {
        if colour(before, at) != colour(after, at) {
            let (x, y) = (at % after.width, at / after.width);
            (left, top) = (left.min(x), top.min(y));
            (right, bottom) = (right.max(x + 1), bottom.max(y + 1));
        }
    }
    if right == 0 { (0, 0, 1, 1) } else { (left, top, right, bottom) }
}

/// `HASH  FILE`, as `sha256sum` prints it. What does not exist yet holds nothing.
pub(crate) fn read_hashes(path: &Path) -> Result<Hashes, Report> {
    if !path.is_file() {
        return Ok(Hashes::new());
    }
    let text = fs::read_to_string(path).wrap_err("failed to read the hashes of the screens")?;
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    Ok(lines.map(|(hash, file)| (file.to_owned(), hash.to_owned())).collect())
}

pub(crate) fn write_hashes(path: &Path, hashes: &Hashes) -> Result<(), Report> {
    make_folder(path)?;
    let lines: Vec<String> =
        hashes.iter().map(|(file, hash)| format!("{hash}  {file}\n")).collect();
    fs::write(path, lines.concat()).wrap_err("failed to write the hashes of the screens")
}
