// Tests `semblance serve` with OpenAI's own JavaScript client; tests/openai_client/run starts it:
//
//     node client.mjs FOLDER URL KEY PHOTO PICTURE
//
// FOLDER: where npm has put the client. PICTURE: the SHA-256 of the picture, in base64, that Python's client gets for
// the photo with the settings of `small`. The service has the photo's face under the name anna.
import assert from "node:assert/strict";
import { File } from "node:buffer";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pathToFileURL } from "node:url";

globalThis.File ??= File; // Debian 12's node has no global one

const [folder, url, apiKey, photo, picture] = process.argv.slice(2);
const { default: OpenAI } = await import(pathToFileURL(`${folder}/node_modules/openai/index.mjs`));
const client = new OpenAI({ baseURL: `${url}v1`, apiKey, maxRetries: 0 });
const small = { prompt: "a portrait of a man", size: "128x128", steps: 2, seed: 7 };
const file = () => createReadStream(photo);
const digest = (result) => createHash("sha256").update(result.b64_json).digest("hex");

async function rejects(promise, type, status, param) {
  await assert.rejects(promise, (error) => {
    assert(error instanceof type, `${error}`);
    assert.deepEqual([error.status, error.param], [status, param], `${error}`);
    return true;
  });
}

const tests = {
  async edit() {
    const result = await client.images.edit({ image: file(), ...small });
    assert.equal(digest(result.data[0]), picture);
    assert.equal(result.size, "128x128");
  },
  async edit_with_a_list_of_images() {
    const result = await client.images.edit({ image: [file(), file()], ...small });
    assert(result.warnings.includes("the second image only gives the pose, not another face"));
  },
  async generate() {
    const result = await client.images.generate({ identity: "anna", n: 2, ...small });
    assert.equal(result.data.length, 2);
    assert.equal(digest(result.data[0]), picture);
  },
  async stream() {
    const wanted = { identity: "anna", ...small, steps: 60, size: "256x256" };
    const types = [];
    let last;
    for await (last of await client.images.generate({ ...wanted, stream: true, partial_images: 2 })) types.push(last.type);
    assert.deepEqual(types, [...Array(2).fill("image_generation.partial_image"), "image_generation.completed"]);
    assert.equal(last.size, "256x256");
    assert.equal(Buffer.from(last.b64_json, "base64").subarray(1, 4).toString(), "PNG");
  },
  async errors() {
    await rejects(client.images.generate(small), OpenAI.BadRequestError, 400, "identity");
    await rejects(client.images.generate({ identity: "nobody", ...small }), OpenAI.NotFoundError, 404, "identity");
    await rejects(client.images.generate({ identity: "anna", ...small, size: "130x128", stream: true }), OpenAI.BadRequestError, 400, "size");
    await rejects(client.images.edit({ image: file(), ...small, n: 17 }), OpenAI.BadRequestError, 400, "n");
    const stranger = new OpenAI({ baseURL: `${url}v1`, apiKey: "sk-wrong", maxRetries: 0 });
    await rejects(stranger.models.list(), OpenAI.AuthenticationError, 401, null);
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  const begin = performance.now();
  let result = "ok";
  try {
    await test();
  } catch (error) {
    result = "FAILED";
    failed++;
    console.error(error);
  }
  const title = `in JavaScript, ${name.replaceAll("_", " ")}`;
  console.log(`${result.padEnd(7)} ${title.padEnd(45)} ${((performance.now() - begin) / 1000).toFixed(1).padStart(5)} s`);
}
process.exitCode = failed > 0 ? 1 : 0;
