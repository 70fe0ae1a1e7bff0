// Entry point of the page: connects its parts and keeps them in sync with the service.
import * as api from './api.js';
import { checkControlNets, controlPictures, startControlNets, useControlNets } from './control_nets.js';
import { bringIntoView, byId, pause, recall, remember, settled } from './dom.js';
import { redrawIdentities, refreshIdentities, startIdentities } from './identities.js';
import { initialFields, startInitial } from './initial.js';
import { askForKey, showLogOut } from './key.js';
import { startMemory } from './memory.js';
import { openModels, startModels } from './models.js';
import { areSeveral, checkPeople, otherPhotos, peopleSetting, personAt, showPeople, startPeople, takeForPerson } from './people.js';
import { checkSubject, chosenSample, isLooking, photoFile, setDemo, setUploadLimit, startPhoto, subject, takePose, uploadLimit, useFace } from './photo.js';
import { latestPlan, planAllows, planSoon, startPlan } from './plan.js';
import { clearProblem, reveal, showWhereItBelongs, startProblems, tell } from './problems.js';
import { galleryIsUnderWay, refreshGallery, startGallery } from './rail.js';
import { offerSamples, redrawSamples, startSamples } from './samples.js';
import { fillSettings, pictureSize, readSettings, refreshSizes, startSettings, useInfo, useParameters, useSize } from './settings.js';
import { clear, isAtWork, isUnderWay, keepPhoto, show, shownId, startStage } from './stage.js';
import { chooseStyle } from './styles.js';
import { currentLanguage, label, preferredLanguage, say, speak } from './words.js';

let connected = false;
let connecting = false;

const galleryChanged = settled(() => refreshGallery({ newest: true }).then(showNext).catch(() => {}), 150);

async function start() {
  startTheme();
  startLanguage();
  const [parameters] = await Promise.all([api.parameters(), speak(preferredLanguage())]);
  useParameters(parameters);
  api.onKeyWanted(askForKey);
  const mostOf = (list) => parameters.find(({ name }) => name === list).most;
  startPhoto({ changed: subjectChanged, restore, models: openModels, isOneOfSeveral: areSeveral, personAt, takeForPerson });
  startPeople({ limit: uploadLimit, changed: subjectChanged, most: mostOf('people') });
  startProblems({ ...choosers(['photo', 'pose', 'init']), models: openModels, smaller, retry: () => make() });
  startModels({ onSwitched: connect });
  startSamples({ makeInStyle });
  startInitial({ limit: uploadLimit, changed: subjectChanged });
  startControlNets({ limit: uploadLimit, changed: settingsChanged, most: mostOf('controls') });
  startSettings({ changed: settingsChanged });
  startPlan({ onPlan: () => clearProblem('form'), isReady: () => connected });
  startStage({ changed: galleryChanged, again, makeAs, asFace: useFace, asPose: takePose });
  startGallery({ bring: bringStage });
  startIdentities();
  const form = byId('make-form');
  form.addEventListener('submit', make);
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || document.querySelector('dialog[open]')) return;
    event.preventDefault();
    form.requestSubmit();
  });
  startMemory({ onReached: reached, onLost: lost });
  connect();
  document.documentElement.dataset.ready = '';
  performance.mark('ready');
}

// ---- connection to the service

/** Once a second. */
function reached() {
  if (!connected) connect();
  else if (galleryIsUnderWay()) galleryChanged();
}

async function connect() {
  if (connecting) return;
  connecting = true;
  try {
    const info = await api.info();
    setUploadLimit(info.limits.upload_bytes);
    useControlNets(info.control_nets);
    useInfo(info);
    setDemo(info.model.demo ? { nativeSide: info.model.native_side } : null);
    offerSamples(info.model.demo);
    showLogOut(info.key_required);
    say(byId('model'), info.model.demo ? 'page.demo' : 'page.model', { name: info.model.name });
    say(byId('version'), 'page.version', { version: info.version.replace(/^s/, 'S') });
    await Promise.all([refreshIdentities(), pickUp()]);
    connected = true;
    byId('lost').hidden = true;
    planSoon();
  } catch (problem) {
    if (problem.code === 'unreachable') lost();
    else tell(byId('lost'), problem);
    byId('lost').hidden = false;
    await pause(1000);
  } finally {
    connecting = false;
  }
}

function lost() {
  connected = false;
  if (byId('lost').dataset.word !== 'page.lost') say(byId('lost'), 'page.lost');
  byId('lost').hidden = false;
}

/** After a reload or a restart, shows the running job, or else the one that was shown before. */
async function pickUp() {
  const jobs = await refreshGallery();
  const looked = recall(sessionStorage, 'job');
  const job = jobs.find((each) => each.state === 'running') ?? jobs.findLast((each) => each.state === 'queued') ??
    jobs.find((each) => each.id === looked);
  const busy = shownId() && jobs.some((each) => each.id === shownId() && isUnderWay(each));
  if (job && !busy) show(job);
  else if (shownId() && !jobs.some((each) => each.id === shownId())) clear();
}

/** Shows the running job if the stage is empty or its job is gone. */
function showNext(jobs) {
  if (shownId() && jobs.some((job) => job.id === shownId())) return;
  const running = jobs.find((job) => job.state === 'running');
  if (running) show(running);
}

// ---- the form

function subjectChanged() {
  clearProblem('form');
  refreshSizes();
  redrawIdentities();
  redrawSamples(chosenSample());
  showPeople(...pictureSize());
  planSoon();
}

function settingsChanged() {
  clearProblem('form');
  showPeople(...pictureSize());
  planSoon();
}

async function make(event) {
  event?.preventDefault();
  clearProblem('form');
  const someone = checkSubject();
  const settings = readSettings();
  if (!someone) {
    if (isLooking()) return;
    return void reveal('photo');
  }
  if (!connected || !settings || !checkPeople() || !checkControlNets() || !planAllows()) return;
  await send(settings);
}

/** For each of these pictures a function that lets the user choose another one. */
const choosers = (names) => Object.fromEntries(names.map((name) => [name, () => byId(`${name}-choose`).click()]));

/** Takes the size that the plan offers, or lets the user choose one. */
function smaller() {
  const offered = latestPlan()?.smaller;
  if (offered) return useSize(offered.width, offered.height);
  byId('advanced').open = true;
  byId('shape-custom').click();
  byId('width').focus();
}

/** Puts a job into the queue. The picture at work stays on the stage. */
async function send(settings) {
  const button = byId('make');
  button.disabled = true;
  try {
    const pictures = { ...await initialFields(), control: controlPictures() };
    const person = subject();
    if (areSeveral()) person.photo.push(...await otherPhotos());
    const job = await api.startJob({ settings, ...person, ...pictures, keep_photo: byId('keep-photo').checked ? 'true' : null });
    keepPhoto(job.id, photoFile());
    if (isAtWork()) galleryChanged();
    else {
      show(job);
      bringStage();
    }
  } catch (problem) {
    showWhereItBelongs(problem, 'form');
  } finally {
    button.disabled = false;
  }
}

function makeInStyle(style) {
  byId('prompt').value = '';
  chooseStyle(style);
  make();
}

/** A picture of the present person with the settings of another one. */
async function makeAs(settings) {
  if (!checkSubject()) return void reveal('photo');
  if (!checkPeople()) return;
  // What belongs to pictures that are sent along is the form's.
  const { strength, controls } = readSettings({ quiet: true }) ?? {};
  await send({ ...settings, strength: strength ?? null, controls: controls ?? [], people: peopleSetting(settings.width, settings.height) ?? [] });
}

/** Fills in the settings of a picture's file, and the person if its job keeps the photo. Resolves to whether it has any. */
async function restore(file) {
  let recipe = null;
  try {
    recipe = await api.recipe(file);
  } catch {
    return false;
  }
  again(recipe.settings);
  const made = (await api.jobs()).find((job) => job.keep_photo && job.images.some(({ seed }) => seed === recipe.settings.seed));
  if (made) await bringPerson(made);
  return true;
}

/** The photo of a job that keeps it. */
async function bringPerson(job) {
  try {
    await useFace(new File([await api.keptPhoto(job.id)], 'photo', { type: 'image/png' }));
  } catch { /* deleted meanwhile */ }
}

/** Another picture's settings, and its person if the job keeps the photo. */
async function again(settings, job = null) {
  fillSettings(settings);
  if (job?.keep_photo) await bringPerson(job);
  bringIntoView(byId('prompt'), 'center');
  byId('prompt').focus({ preventScroll: true });
}

function bringStage() {
  const stage = byId('stage');
  const { top } = stage.getBoundingClientRect();
  if (top < 0 || top > innerHeight * 0.4) bringIntoView(stage);
  stage.focus({ preventScroll: true });
}

// ---- language and colours

function startLanguage() {
  const button = byId('language');
  button.onclick = () => speak(currentLanguage() === 'en' ? 'es' : 'en', { chosen: true });
  document.addEventListener('language', ({ detail }) => {
    button.textContent = detail === 'en' ? 'Español' : 'English';
    button.lang = detail === 'en' ? 'es' : 'en';
    if (connected) planSoon();  // the service writes the plan's full text
  });
}

function startTheme() {
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const button = byId('theme');
  const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : system.matches);
  const relabel = () => label(button, isDark() ? 'page.light' : 'page.dark');
  const kept = recall(localStorage, 'theme');
  if (kept === 'dark' || kept === 'light') root.dataset.theme = kept;
  button.onclick = () => {
    const wanted = isDark() ? 'light' : 'dark';
    // The same as the system's choice: nothing to remember.
    if ((wanted === 'dark') === system.matches) delete root.dataset.theme;
    else root.dataset.theme = wanted;
    remember(localStorage, 'theme', root.dataset.theme ?? null);
    relabel();
  };
  system.addEventListener('change', relabel);
  document.addEventListener('language', relabel);
}

start();
