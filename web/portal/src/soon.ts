/** Does something once, soon after it was first asked for, however often it is asked for until then. */
export class Soon {
  private timer?: ReturnType<typeof setTimeout>;

  constructor(
    private readonly work: () => void,
    /** In milliseconds. */
    private readonly delay: number,
  ) {}

  ask(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.work();
    }, this.delay);
  }

  cancel(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
