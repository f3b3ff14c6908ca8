// What the browser remembers: its jobs, whose ids nobody else has, and its choices.

const JOBS = "nlcunet-jobs";
const CHOICES = "nlcunet-choices";
const THEME = "nlcunet-theme";
const MOST = 200;

function read(key, otherwise) {
  try { return JSON.parse(localStorage.getItem(key)) ?? otherwise; } catch { return otherwise; } // storage may be forbidden
}

function write(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(value));
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

export const recallChoices = () => read(CHOICES, {}) ?? {};
export const rememberChoices = (choices) => write(CHOICES, choices);

export const recallTheme = () => read(THEME, null);
export const rememberTheme = (theme) => write(THEME, theme);
