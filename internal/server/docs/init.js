// Loads the document of the server that serves this page.
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#rollcall",
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: false, // a token must not outlive the tab
  validatorUrl: null, // no third party sees the document
});
