// What the browser remembers: its jobs, whose ids nobody else has, and its choices.

const JOBS = "nlcunet-jobs";
const CHOICES = "nlcunet-choices";
const THEME = "nlcunet-theme";
const ON_THE_WAY = "nlcunet-on-the-way";
const MOST = 200;

// Storage may be forbidden, then even its name throws.
function read(key, otherwise, storage = () => localStorage) {
  try { return JSON.parse(storage().getItem(key)) ?? otherwise; } catch { return otherwise; }
}

function write(key, value, storage = () => localStorage) {
  try {
    if (value === null) storage().removeItem(key);
    else storage().setItem(key, JSON.stringify(value));
  } catch { /* then it lasts as long as the page */ }
}

const isId = (value) => typeof value === "string" && /^[\w-]{1,64}$/.test(value);

export const recallJobs = () => {
  const jobs = read(JOBS, []);
  return Array.isArray(jobs) ? jobs.filter(isId) : [];
};
export const rememberJob = (id) => write(JOBS, [...recallJobs().filter((one) => one !== id), id].slice(-MOST));
export const forgetJob = (id) => write(JOBS, recallJobs().filter((one) => one !== id));
export const onJobsElsewhere = (tell) => addEventListener("storage", (event) => { if (event.key === JOBS) tell(); });

// Names of files that have not reached the server: of this tab alone, across a reload.
export const recallOnTheWay = () => read(ON_THE_WAY, [], () => sessionStorage);
export const rememberOnTheWay = (names) => write(ON_THE_WAY, names.length ? names : null, () => sessionStorage);

export const recallChoices = () => read(CHOICES, {}) ?? {};
export const rememberChoices = (choices) => write(CHOICES, choices);

export const recallTheme = () => read(THEME, null);
export const rememberTheme = (theme) => write(THEME, theme);
