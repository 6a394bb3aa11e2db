// Masks as COCO's compressed run lengths, and how they are painted.

const FILL = 0.45;

/** Reads COCO's run lengths: numbers in base 32, least digit first; from the fourth on, differences to the one two before. */
export function decompress(text) {
  const counts = [];
  let value = 0, shift = 0;
  for (let place = 0; place < text.length; place++) {
    const digit = text.charCodeAt(place) - 48;
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit < 32) {
      if (digit & 16) value -= 1 << shift;
      counts.push(counts.length > 2 ? value + counts[counts.length - 2] : value);
      value = shift = 0;
    }
  }
  return counts;
}

/** Whether a mask has any pixel. */
export const isEmpty = (text) => decompress(text).length < 2;

/** Gives a mask's pixels, row by row, 1 inside: the runs go down the columns. */
export function pixels(text, width, height) {
  const inside = new Uint8Array(width * height);
  let place = 0;
  decompress(text).forEach((count, number) => {
    if (number % 2) {
      for (let each = place; each < place + count; each++) inside[(each % height) * width + Math.floor(each / height)] = 1;
    }
    place += count;
  });
  return inside;
}

/** Paints a mask as a picture of its size: translucent inside, solid for `edge` pixels along its border. */
export function paint(text, width, height, [red, green, blue], edge) {
  const inside = pixels(text, width, height);
  const picture = new ImageData(width, height);
  const words = new Uint32Array(picture.data.buffer);
  const colour = (blue << 16) | (green << 8) | red;
  const fill = ((Math.round(FILL * 255) << 24) | colour) >>> 0;
  const line = ((255 << 24) | colour) >>> 0;
  for (let y = 0, place = 0; y < height; y++) {
    for (let x = 0; x < width; x++, place++) {
      if (!inside[place]) continue;
      const border = (x >= edge && !inside[place - edge]) || (x + edge < width && !inside[place + edge])
        || (y >= edge && !inside[place - edge * width]) || (y + edge < height && !inside[place + edge * width]);
      words[place] = border ? line : fill;
    }
  }
  return picture;
}
