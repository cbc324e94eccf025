// Shows the document of the server that serves this page.

// What another parameter excludes (x-excludes) is not filled in: a list is read by page or on from a cursor, not both.
const blankExcluded = () => ({
  statePlugins: { spec: { wrapActions: { updateJsonSpec: (show) => (document) => {
    const parameters = Object.values(document.components?.parameters ?? {});
    const excluded = new Set(parameters.flatMap((parameter) => parameter["x-excludes"] ?? []));
    for (const { name, schema } of parameters) {
      if (excluded.has(name)) delete schema.default;
    }
    return show(document);
  } } } },
});

// Every sign-in, second factor and change of password makes a token, and the one before is dead; signing out makes none.
function keepToken(path, answer) {
  const status = document.querySelector(".sign-in [role=status]");
  if (answer?.token) {
    window.ui.preauthorizeApiKey("bearerAuth", answer.token);
    status.textContent = `Signed in as ${answer.user?.email ?? "before"}.`;
  } else if (path === "/v1/auth/logout") {
    window.ui.authActions.logout(["bearerAuth"]);
    status.textContent = "Signed out.";
  }
}

async function signIn({ currentTarget }) {
  const response = await fetch("/v1/auth/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...currentTarget.dataset }),
  });
  const answer = await response.json();
  if (response.ok) keepToken("/v1/auth/login", answer);
  else document.querySelector(".sign-in [role=status]").textContent = answer.detail ?? answer.title;
}

window.ui = SwaggerUIBundle({
  url: "/openapi.yaml", // in the order of the document, which JSON loses: the first example of a sign-in is one that works
  dom_id: "#rollcall",
  plugins: [blankExcluded],
  responseInterceptor: (response) => {
    const path = new URL(response.url, location.href).pathname;
    if (response.ok && path.startsWith("/v1/auth/")) keepToken(path, response.body);
    return response;
  },
  deepLinking: true,
  defaultModelsExpandDepth: 0, // the list of schemas starts closed; each operation shows its own
  displayRequestDuration: true,
  showCommonExtensions: true, // the limits of parameters
  requestSnippetsEnabled: true, // curl for bash, PowerShell and cmd
  tryItOutEnabled: true,
  persistAuthorization: false, // a token must not outlive the tab
  validatorUrl: null, // no third party sees the document
});

for (const button of document.querySelectorAll(".sign-in button")) button.addEventListener("click", signIn);
