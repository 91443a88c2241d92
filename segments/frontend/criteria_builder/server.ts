// What the island asks the server for. Every address may be missing; every answer may be a fault.

export interface Urls {
  preview?: string;
  counts?: string;
  values?: string;
  event?: string;
}

export interface Problem {
  path: string;
  code: string;
  message: string;
}

export interface SampleContact {
  name: string;
  email?: string;
  url?: string;
}

export interface PreviewAnswer {
  problems: Problem[];
  count?: string;
  count_number?: number;
  exact?: boolean;
  milliseconds?: string;
  sentence?: string;
  share?: string;
  total?: string | number;
  sample?: SampleContact[];
}

export interface ClauseCount {
  count: number | null;
  exact: boolean;
  text: string;
}

export interface Suggestion {
  value: string;
  label: string;
  count?: string | number;
}

export interface EventInfo {
  properties: { name: string; type?: string }[];
  count_text?: string;
  last_seen?: string;
}

/** An answer that a newer question made worthless. */
export class Outdated extends Error {}

export class Server {
  // What was answered once is not asked again; what failed is.
  private readonly events = new Map<string, Promise<EventInfo>>();
  private readonly values = new Map<string, Promise<Suggestion[]>>();
  readonly ticket = Math.random().toString(36).slice(2);

  constructor(
    readonly urls: Urls,
    private readonly form: HTMLFormElement | null,
    private readonly segment: string,
    private readonly csrf: string,
  ) {}

  async preview(criteria: string, signal: AbortSignal): Promise<PreviewAnswer> {
    const found = (await this.post(this.urls.preview, criteria, signal)) as Partial<PreviewAnswer>;
    return { ...found, problems: Array.isArray(found.problems) ? found.problems : [] };
  }

  async counts(criteria: string, signal: AbortSignal): Promise<Record<string, ClauseCount>> {
    const found = (await this.post(this.urls.counts, criteria, signal)) as { counts?: Record<string, ClauseCount> };
    return found.counts ?? {};
  }

  /** What is known about an event; nothing where the server cannot say. */
  event(name: string): Promise<EventInfo> {
    const asked = this.events.get(name);
    if (asked) return asked;
    const answer = this.get(this.urls.event, { name }).then(
      (found) => ({ ...(found as EventInfo), properties: (found as EventInfo | null)?.properties ?? [] }),
      () => {
        this.events.delete(name);
        return { properties: [] };
      },
    );
    this.events.set(name, answer);
    return answer;
  }

  /** Values that contacts or events have, as far as the server tells. */
  suggestions(field: string, text: string, event: string): Promise<Suggestion[]> {
    const property = field.startsWith("properties.") ? field.slice("properties.".length) : "";
    const question = { field, q: text, event, property };
    const key = JSON.stringify(question);
    const asked = this.values.get(key);
    if (asked) return asked;
    const answer = this.get(this.urls.values, question).then(
      (found) => ((found as { values?: Suggestion[] } | null)?.values ?? []).slice(0, 20),
      () => {
        this.values.delete(key);
        return [];
      },
    );
    this.values.set(key, answer);
    return answer;
  }

  private async get(url: string | undefined, words: Record<string, string>): Promise<unknown> {
    if (!url) return null;
    const query = new URLSearchParams(words).toString();
    const answer = await fetch(`${url}${url.includes("?") ? "&" : "?"}${query}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  private async post(url: string | undefined, criteria: string, signal: AbortSignal): Promise<unknown> {
    if (!url) return {};
    const body = new FormData();
    body.set("criteria", criteria);
    body.set("segment", this.segment);
    body.set("ticket", this.ticket);
    if (this.control("members_only")?.checked) body.set("members_only", "1");
    const token = this.control("csrfmiddlewaretoken")?.value || this.csrf;
    const answer = await fetch(url, { method: "POST", body, signal, headers: { "X-CSRFToken": token, Accept: "application/json" } });
    if (answer.status === 409) throw new Outdated();
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  private control(name: string): HTMLInputElement | null {
    const found = this.form?.elements.namedItem(name);
    return found instanceof HTMLInputElement ? found : null;
  }
}
