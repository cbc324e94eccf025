// A day of a registrar, through types made from openapi.yaml: sign in, admit a student, read the faults of a form by
// field, and page through a list. Run it against `make run`: see README.md beside it.
import createClient from "openapi-fetch";
import type { paths, FieldError, Problem, Student, StudentAdmission } from "./rollcall.js";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8080";
const api = createClient<paths>({ baseUrl });

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

async function admit(): Promise<Student> {
  const { data, error } = await api.POST("/v1/students", { body: admission });
  if (error) fail("admit", error);
  console.log(`admitted ${data.firstName} ${data.lastName}, section ${data.enrollment?.sectionId ?? "none"}`);
  return data;
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
const admitted = await admit();
let count = 0;
let seen = false;
for await (const student of allStudents()) {
  count += 1;
  seen ||= student.id === admitted.id;
}
console.log(`listed ${count} students, the new one ${seen ? "among them" : "missing"}`);
