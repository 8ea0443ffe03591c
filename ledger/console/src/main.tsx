/** Puts the console into its page. */
import { render } from "preact";
import { App } from "./app";
import "./style.css";

const root = document.getElementById("app");
if (root) {
  root.replaceChildren(); // what was shown until now
  render(<App />, root);
}
