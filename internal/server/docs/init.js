// Loads the document of the server that serves this page.
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#rollcall",
  deepLinking: true,
  defaultModelsExpandDepth: 0, // the list of schemas starts closed; each operation shows its own
  displayRequestDuration: true,
  showCommonExtensions: true, // the limits of parameters
  requestSnippetsEnabled: true, // curl for bash, PowerShell and cmd
  tryItOutEnabled: true,
  persistAuthorization: false, // a token must not outlive the tab
  validatorUrl: null, // no third party sees the document
});
