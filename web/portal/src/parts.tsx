// What several screens are made of.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

/** Something that went wrong, told at once. */
export function Alert({ children }: { children?: ComponentChildren }) {
  return <div role="alert">{children ? <p class="alert">{children}</p> : null}</div>;
}

interface InputProps {
  label: string;
  hint?: string;
  type?: "text" | "email" | "password" | "tel" | "url";
  name: string;
  autoComplete?: string;
  required?: boolean;
  maxLength?: number;
  value: string;
  change: (text: string) => void;
}

/** An input with its label, and with what is to be known of it. */
export function Input({ label, hint, type = "text", change, ...rest }: InputProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...rest}
        id={id}
        type={type as "text"}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onInput={(event) => change(event.currentTarget.value)}
      />
      {hint ? (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      ) : null}
    </div>
  );
}

/** A button that says that it is at work, and cannot be pressed twice meanwhile. */
export function Submit({ busy, children }: { busy: boolean; children: ComponentChildren }) {
  return (
    <button class="primary" type="submit" aria-disabled={busy}>
      {busy ? <span class="spinner" aria-hidden="true" /> : null}
      {children}
    </button>
  );
}

interface DialogProps {
  title: string;
  /** At the side of a wide screen, or in its middle. */
  kind: "sheet" | "box";
  close: () => void;
  children: ComponentChildren;
}

/** A modal dialog: the browser keeps the focus in it, ends it on Escape, and gives the focus back. */
export function Dialog({ title, kind, close, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={kind}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => {
        if (event.target === event.currentTarget) close();
      }}
    >
      <div class="dialog">
        <header>
          <h2 id={heading} tabIndex={-1}>
            {title}
          </h2>
          <button type="button" class="quiet icon" onClick={close} aria-label="Close">
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

const PATHS = {
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 13l4 4L19 7",
  search: "M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14zM16 16l5 5",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-4 4-6 8-6s8 2 8 6",
  leave: "M10 4H5v16h5M9 12h11M16 8l4 4-4 4",
  inbox: "M4 13l3-8h10l3 8v6H4zM4 13h5l1 3h4l1-3h5",
  back: "M9 7l-5 5 5 5M4 12h11a5 5 0 0 1 0 10h-3",
} as const;

/** A picture beside a text that says the same. */
export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The frame of the screens before the log-in. */
export function Door({ title, children }: { title: string; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = title;
    heading.current?.focus();
  }, [title]);
  return (
    <main class="door">
      <div class="card">
        <p class="brand">
          <Mark /> Leadmesh
        </p>
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {children}
      </div>
    </main>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M9 22V10l7 7 7-7v12" />
    </svg>
  );
}
