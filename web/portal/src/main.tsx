import { render } from "preact";
import { App } from "./app";
import "./style/base.css";
import "./style/controls.css";
import "./style/doors.css";
import "./style/board.css";
import "./style/dialog.css";
import "./style/narrow.css";

const page = document.getElementById("page");
if (page) render(<App />, page);
