// Which screen is shown.
import { useEffect, useState } from "preact/hooks";
import { ForgotPassword, LogIn, SetPassword } from "./doors";
import { Portal } from "./portal";
import { partnerOf } from "./partner";
import { end, isSignedIn, watch } from "./session";

type Screen = { name: "portal" | "log-in" | "forgot"; note?: string } | { name: "set-password"; secret: string };

/**
 * The token of a mailed link is taken out of the address, so that neither history nor a shared screen keeps it. The partner stays
 * there: it is no secret, and a bookmark then leads to the same portal.
 */
function first(): Screen {
  const address = new URL(location.href);
  if (!address.pathname.endsWith("/set-password")) return { name: isSignedIn() ? "portal" : "log-in" };
  const secret = address.searchParams.get("token") ?? "";
  const page = new URL(".", address);
  const partner = partnerOf(address);
  if (partner) page.searchParams.set("partner", partner);
  history.replaceState(null, "", page);
  return { name: "set-password", secret };
}

export function App() {
  const [screen, show] = useState(first);
  const enter = () => show({ name: "portal" });
  useEffect(() => watch((note) => show({ name: "log-in", note }), enter), []);
  switch (screen.name) {
    case "portal":
      return (
        <Portal
          leave={() => {
            void end();
            const partner = partnerOf(new URL(location.href));
            const kept = partner ? `?${new URLSearchParams({ partner }).toString()}` : "";
            history.replaceState(null, "", location.pathname + kept);
            show({ name: "log-in", note: "You are logged out." });
          }}
        />
      );
    case "log-in":
      return <LogIn note={screen.note} entered={enter} forgot={() => show({ name: "forgot" })} />;
    case "forgot":
      return <ForgotPassword back={() => show({ name: "log-in" })} />;
    case "set-password":
      return <SetPassword secret={screen.secret} entered={enter} again={() => show({ name: "forgot" })} />;
  }
}
