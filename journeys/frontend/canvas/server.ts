// What the island asks the server for. Every address may be missing; every answer may be a fault.

export interface Urls {
  /** GET source, q: what there is to choose from. */
  choices?: string;
  /** POST drawing, settings: their faults. */
  faults?: string;
  /** GET: who stands where, and who went which way. */
  counts?: string;
}

export interface Fault {
  node: string;
  path: string;
  code: string;
  message: string;
  severity: "error" | "warning";
  criteria?: { path: string; code: string; message: string }[];
}

export interface Choice {
  value: string;
  label: string;
  note?: string;
}

export interface NodeCounts {
  waiting?: number;
  ready?: number;
  failed?: number;
  passed?: Record<string, number>;
  messages?: number;
  codes?: number;
  url?: string;
}

export type Counts = Record<string, NodeCounts>;

export class Server {
  constructor(
    readonly urls: Urls,
    private readonly token: () => string,
  ) {}

  async choices(source: string, text: string): Promise<Choice[]> {
    if (!this.urls.choices) return [];
    const query = new URLSearchParams({ source, q: text }).toString();
    const answer = await fetch(`${this.urls.choices}?${query}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return ((await answer.json()) as { choices?: Choice[] }).choices ?? [];
  }

  /** The faults of a drawing and the settings beside it. */
  async faults(drawing: string, settings: string, signal: AbortSignal): Promise<Fault[] | null> {
    if (!this.urls.faults) return null;
    const body = new FormData();
    body.set("drawing", drawing);
    if (settings) body.set("settings", settings);
    const answer = await fetch(this.urls.faults, { method: "POST", body, signal, headers: { "X-CSRFToken": this.token(), Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return ((await answer.json()) as { faults?: Fault[] }).faults ?? [];
  }

  async counts(signal: AbortSignal): Promise<Counts> {
    if (!this.urls.counts) return {};
    const answer = await fetch(this.urls.counts, { signal, headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return ((await answer.json()) as { nodes?: Counts }).nodes ?? {};
  }
}
