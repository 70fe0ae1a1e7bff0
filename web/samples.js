// Sample faces, which the demo model knows, and examples that run on a click.
import { byId, make } from './dom.js';
import { takeForPerson } from './people.js';
import { takeSample } from './photo.js';
import { showProblem } from './problems.js';
import { label, say } from './words.js';

// The captions are English: the model reads them. It takes hair from the words rather than from the face.
const kSamples = [
  { number: 1, caption: 'portrait of a woman with short black hair' },
  { number: 12, caption: 'portrait of a woman with long blond hair' },
  { number: 10, caption: 'portrait of a man with curly grey hair and a beard' },
  { number: 4, caption: 'portrait of a woman with curly black hair' },
  { number: 9, caption: 'portrait of a man with black hair and a beard' },
  { number: 8, caption: 'portrait of a woman with blond hair' },
];
const kExamples = [{ sample: 1, style: 'Watercolor' }, { sample: 12, style: 'Film Noir' }, { sample: 10, style: 'Mars' }];

/** `make(style)` starts a picture of the chosen person. */
export function startSamples({ makeInStyle }) {
  byId('samples').append(...kSamples.map((sample, place) => {
    const button = make('button', { type: 'button', class: 'sample', id: `sample-${sample.number}`, 'aria-pressed': 'false' },
      make('img', { src: `web/face_${sample.number}_small.webp`, alt: '', width: 96, height: 96 }));
    label(button, 'samples.one', { place: place + 1 });
    button.onclick = () => take(sample);
    return make('li', {}, button);
  }));
  byId('examples-list').append(...kExamples.map(({ sample, style }) => {
    const file = style.toLowerCase().replaceAll(' ', '_');
    const title = make('span');
    say(title, `style.${file}`);
    const button = make('button', { type: 'button', class: 'example', id: `example-${file}` },
      make('img', { src: `web/face_${sample}_small.webp`, alt: '', width: 96, height: 96 }), title);
    button.onclick = async () => {
      if (await take(kSamples.find(({ number }) => number === sample))) makeInStyle(style);
    };
    return make('li', {}, button);
  }));
}

/** Only the demo model knows drawn faces. */
export function offerSamples(isDemo) {
  byId('samples').hidden = !isDemo;
  byId('examples').hidden = !isDemo;
}

/** Marks the sample that is in use; call it when the person has changed. */
export function redrawSamples(caption) {
  kSamples.forEach(({ number, caption: own }) => byId(`sample-${number}`).setAttribute('aria-pressed', String(own === caption)));
}

async function take({ number, caption }) {
  try {
    const answer = await fetch(`web/face_${number}.webp`);
    if (!answer.ok) throw new Error(String(answer.status));
    const face = new File([await answer.blob()], `face_${number}.webp`, { type: 'image/webp' });
    return await (takeForPerson(face, caption) ?? takeSample(face, caption));
  } catch {
    showProblem('photo', 'problem.unreachable');
    return false;
  }
}
