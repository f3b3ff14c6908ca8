// Draws the part of a picture that is seen. Tiles are put together at their own size first and enlarged as one, so that
// no seams show between them.

const board = Object.fromEntries(["before", "after", "plain"].map((side) => [side, document.createElement("canvas")]));

// The smallest level that has a pixel for each of the screen.
function chooseLevel(levels, pixelsPerScreenPixel) {
  const first = levels[0].width;
  let chosen = 0;
  levels.forEach((level, index) => {
    if (first / level.width <= pixelsPerScreenPixel * 1.01) chosen = index;
  });
  return chosen;
}

// `view`: screen pixels per pixel of the result (`zoom`), place of its corner (`left`, `top`), and its `width`.
export function drawLayer(context, tiles, side, view, isSmooth) {
  const levels = tiles.levels(side);
  const ownZoom = view.zoom * view.width / levels[0].width; // screen pixels per pixel of this picture
  const number = chooseLevel(levels, 1 / ownZoom);
  const level = levels[number];
  const zoomX = view.zoom * view.width / level.width;
  const zoomY = view.zoom * view.height / level.height;
  const seen = seenPart(context.canvas, view, level, zoomX, zoomY);
  if (seen.width <= 0 || seen.height <= 0) return;
  fillBoard(board[side], tiles, side, number, seen);
  context.imageSmoothingEnabled = isSmooth || ownZoom < 1;
  context.imageSmoothingQuality = "high";
  context.drawImage(
    board[side], 0, 0, seen.width, seen.height,
    view.left + seen.left * zoomX, view.top + seen.top * zoomY, seen.width * zoomX, seen.height * zoomY,
  );
}

// Whole pixels of a level that reach into the window, and a few around them for what smoothing looks at.
function seenPart(window, view, level, zoomX, zoomY) {
  const clamp = (value, most) => Math.max(0, Math.min(most, value));
  const left = clamp(Math.floor(-view.left / zoomX) - 2, level.width);
  const top = clamp(Math.floor(-view.top / zoomY) - 2, level.height);
  const right = clamp(Math.ceil((window.width - view.left) / zoomX) + 2, level.width);
  const bottom = clamp(Math.ceil((window.height - view.top) / zoomY) + 2, level.height);
  return { left, top, width: right - left, height: bottom - top };
}

function fillBoard(canvas, tiles, side, number, seen) {
  const size = tiles.view.tile;
  if (canvas.width < seen.width || canvas.height < seen.height) {
    canvas.width = Math.max(canvas.width, seen.width);
    canvas.height = Math.max(canvas.height, seen.height);
  }
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, seen.width, seen.height);
  const places = [];
  for (let row = Math.floor(seen.top / size); row * size < seen.top + seen.height; row++) {
    for (let column = Math.floor(seen.left / size); column * size < seen.left + seen.width; column++) places.push([column, row]);
  }
  const [middleX, middleY] = [(seen.left + seen.width / 2) / size - 0.5, (seen.top + seen.height / 2) / size - 0.5];
  const distance = ([column, row]) => (column - middleX) ** 2 + (row - middleY) ** 2;
  for (const [column, row] of places.sort((a, b) => distance(a) - distance(b))) {
    const image = tiles.get(side, number, column, row);
    const [x, y] = [column * size - seen.left, row * size - seen.top];
    if (image) context.drawImage(image, x, y);
    else drawCoarser(context, tiles, side, number, column, row, x, y);
  }
}

// Until a tile is there, its part of a smaller one.
function drawCoarser(context, tiles, side, number, column, row, x, y) {
  const levels = tiles.levels(side);
  const size = tiles.view.tile;
  for (let coarser = number + 1; coarser < levels.length; coarser++) {
    const factor = 2 ** (coarser - number);
    const image = tiles.peek(side, coarser, Math.floor(column / factor), Math.floor(row / factor));
    if (!image) continue;
    const part = size / factor;
    const [left, top] = [(column % factor) * part, (row % factor) * part];
    const [width, height] = [Math.min(part, image.naturalWidth - left), Math.min(part, image.naturalHeight - top)];
    if (width > 0 && height > 0) context.drawImage(image, left, top, width, height, x, y, width * factor, height * factor);
    return;
  }
}
