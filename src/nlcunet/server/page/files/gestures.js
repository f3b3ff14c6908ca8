// Mouse, fingers, wheel and keys over the stage, told as what they mean: move, zoom, shift the line.

const GRIP_PX = 24;
const KEY_STEP_PX = 60;
const KEY_ZOOM = 1.25;

// `on`: move(dx, dy), zoomBy(factor, x, y), fit(), whole(), split(part), canMove(), lineAt(), all in CSS pixels.
export function listenTo(stage, on) {
  const pointers = new Map();
  let isSplitting = false;

  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const splitTo = (x) => on.split(x / stage.clientWidth);

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const at = place(event);
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at);
    isSplitting = pointers.size === 1 && (!on.canMove() || Math.abs(at.x - on.lineAt()) < GRIP_PX);
    if (isSplitting && event.pointerType === "mouse") splitTo(at.x);
  });

  stage.addEventListener("pointermove", (event) => {
    const old = pointers.get(event.pointerId);
    if (!old) return;
    const at = place(event);
    if (pointers.size === 2) pinch(event.pointerId, old, at);
    else if (isSplitting) splitTo(at.x);
    else on.move(at.x - old.x, at.y - old.y);
    pointers.set(event.pointerId, at);
  });

  function pinch(id, old, at) {
    const [, other] = [...pointers].find(([one]) => one !== id);
    const apart = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    const middle = (point) => ({ x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 });
    on.move(middle(at).x - middle(old).x, middle(at).y - middle(old).y);
    on.zoomBy(apart(at) / apart(old), middle(at).x, middle(at).y);
    isSplitting = false;
  }

  const end = (event) => pointers.delete(event.pointerId);
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) stage.addEventListener(name, end);

  stage.addEventListener("wheel", (event) => {
    if (event.deltaY > 0 && !on.canMove() && !event.ctrlKey) return; // all is seen: let the page scroll
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const at = place(event);
    on.zoomBy(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), at.x, at.y);
  }, { passive: false });

  stage.addEventListener("dblclick", (event) => {
    const at = place(event);
    if (on.canMove()) on.fit();
    else on.whole(at.x, at.y);
  });

  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target !== stage) return;
    const acts = {
      "+": () => on.zoomBy(KEY_ZOOM), "=": () => on.zoomBy(KEY_ZOOM), "-": () => on.zoomBy(1 / KEY_ZOOM),
      0: () => on.fit(), 1: () => on.whole(),
      ArrowLeft: () => on.move(KEY_STEP_PX, 0), ArrowRight: () => on.move(-KEY_STEP_PX, 0),
      ArrowUp: () => on.move(0, KEY_STEP_PX), ArrowDown: () => on.move(0, -KEY_STEP_PX),
    };
    const isArrow = event.key.startsWith("Arrow");
    if (!acts[event.key] || (isArrow && !on.canMove())) return;
    event.preventDefault();
    acts[event.key]();
  });
}
