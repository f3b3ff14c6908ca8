// Tiles of the two pictures: fetched when seen, the ones in the middle of attention first, kept as long as there is room.

import { address } from "./server.js";

const AT_ONCE = 6;
const MOST = 320; // 80 MB of decoded pixels

export class Tiles {
  constructor(jobId, view, onTile) {
    Object.assign(this, { jobId, view, onTile, kept: new Map(), wanted: [], loading: 0, failed: 0, isClosed: false });
  }

  levels(side) { return this.view[side]; }

  // A tile that is there, else nothing, and it is asked for.
  get(side, level, column, row) {
    const key = `${side}/${level}/${column}/${row}`;
    const tile = this.kept.get(key);
    if (tile) { // used last, let go last
      this.kept.delete(key);
      this.kept.set(key, tile);
      return tile.isThere ? tile.image : null;
    }
    this.wanted.push(key);
    return null;
  }

  // A tile if it is there; nothing is asked for.
  peek(side, level, column, row) {
    const tile = this.kept.get(`${side}/${level}/${column}/${row}`);
    return tile?.isThere ? tile.image : null;
  }

  // Called before each drawing: what was wanted then and is not yet on its way may be out of sight now.
  forgetWishes() { this.wanted = []; }

  get isLoading() { return this.loading > 0 || this.wanted.length > 0; }

  load() {
    while (this.wanted.length && this.loading < AT_ONCE && !this.isClosed) {
      const key = this.wanted.shift();
      if (this.kept.has(key)) continue;
      this.fetch(key);
    }
  }

  fetch(key) {
    const tile = { image: new Image(), isThere: false };
    this.kept.set(key, tile);
    this.loading += 1;
    const end = (isThere) => {
      this.loading -= 1;
      tile.isThere = isThere;
      if (!isThere) this.failed += 1;
      if (!this.isClosed) this.onTile();
    };
    tile.image.onload = () => end(true);
    tile.image.onerror = () => end(false);
    tile.image.src = address(`jobs/${this.jobId}/${key}`);
    for (const [old, { isThere }] of this.kept) {
      if (this.kept.size <= MOST) break;
      if (isThere) this.kept.delete(old);
    }
  }

  close() { this.isClosed = true; }
}
