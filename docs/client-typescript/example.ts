// A day of a registrar, through types made from openapi.yaml: sign in, read the faults of a form by field, admit a student
// although the answer gets lost, and page through a list. Run it against `make run`: see README.md beside it.
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { paths, FieldError, Problem, Student, StudentAdmission } from "./rollcall.js";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8080";

/** Makes the next answer get lost on the way: the server has done what was asked, and the client does not hear of it. */
let loseNextAnswer = false;

const api = createClient<paths>({
  baseUrl,
  async fetch(request) {
    const response = await fetch(request);
    if (!loseNextAnswer) return response;
    loseNextAnswer = false;
    await response.body?.cancel();
    throw new TypeError("the connection broke");
  },
});

/** Every failure is a Problem; what the service says for people is in it. */
function fail(doing: string, problem: Problem): never {
  throw new Error(`${doing}: ${problem.title} (${problem.requestId}) ${problem.detail ?? ""}`);
}

async function signIn(email: string): Promise<void> {
  const { data, error } = await api.POST("/v1/auth/login", {
    body: { tenant: "demo", email, password: "rollcall demo 2026" },
  });
  if (error) fail("sign in", error);
  api.use({
    onRequest({ request }) {
      request.headers.set("Authorization", `Bearer ${data.token}`);
    },
  });
  console.log(`signed in as ${data.user.firstName} ${data.user.lastName}, may: ${data.user.permissions.join(" ")}`);
}

/** The faults of a form, by the name of its field: what a page shows beside its inputs. */
function byField(faults: FieldError[]): Map<string, string> {
  return new Map(faults.map((fault) => [fault.field, fault.message]));
}

const admission: StudentAdmission = {
  firstName: "Diya",
  lastName: "D'Souza",
  admissionNumber: `TS-${Date.now()}`,
  institutionId: "01900000-0000-7000-8000-000000000101",
  academicYearId: "01900000-0000-7000-8000-000000000201",
  classId: "01900000-0000-7000-8000-000000000302",
  sectionId: "01900000-0000-7000-8000-000000000403",
  admissionDate: "2026-06-01",
  gender: "female",
};

async function showFaults(): Promise<void> {
  const wrong: StudentAdmission = { ...admission, email: "diya at example", dateOfBirth: "2023-02-30" };
  const { error, response } = await api.POST("/v1/students", { body: wrong });
  if (response.status !== 400 || !error?.errors) throw new Error(`a bad form was answered with ${response.status}`);
  for (const [field, message] of byField(error.errors)) console.log(`fault: ${field}: ${message}`);
}

/**
 * Sends an admission until it is answered. The key says that it is one and the same: the server admits once, and answers
 * every repetition as it answered the first time.
 */
async function admit(): Promise<Student> {
  const params = { header: { "Idempotency-Key": randomUUID() } };
  for (;;) {
    try {
      const { data, error, response } = await api.POST("/v1/students", { params, body: admission });
      if (error) fail("admit", error);
      const replayed = response.headers.get("Idempotency-Replayed") === "true";
      console.log(`admitted ${data.firstName} ${data.lastName}, ${replayed ? "as the lost answer said" : "at once"}`);
      return data;
    } catch (broken) {
      if (!(broken instanceof TypeError)) throw broken; // fetch throws a TypeError when there is no answer
      console.log(`no answer: ${broken.message}; trying again with the same key`);
    }
  }
}

/** All students, page after page: the cursor is flat, however long the list is. */
async function* allStudents(): AsyncGenerator<Student> {
  let cursor: string | undefined;
  do {
    const { data, error } = await api.GET("/v1/students", {
      params: { query: { limit: 10, ...(cursor === undefined ? {} : { cursor }) } },
    });
    if (error) fail("list", error);
    yield* data.data;
    cursor = data.page.nextCursor;
  } while (cursor !== undefined);
}

await signIn("registrar@demo.school");
await showFaults();
loseNextAnswer = true;
const admitted = await admit();
console.log(`section ${admitted.enrollment?.sectionId ?? "none"}, blood group ${admitted.bloodGroup ?? "not known"}`);
let count = 0;
let times = 0;
for await (const student of allStudents()) {
  count += 1;
  if (student.admissionNumber === admission.admissionNumber) times += 1;
}
console.log(`listed ${count} students, the new one ${times === 1 ? "once" : `${times} times`}`);
