// The kinds of activities, as the server describes them. Nothing of it is repeated here.

import type { Activity, Drawing } from "./document";
import { isObject, type Json, listAt } from "./json";

export interface FieldSpec {
  name: string;
  type: string;
  label: string;
  help?: string;
  required?: boolean;
  default?: unknown;
  choices?: { value: string; label: string }[];
  least?: number;
  most?: number;
  only_with?: string;
}

export interface KindSpec {
  kind: string;
  group: string;
  label: string;
  description?: string;
  fields?: FieldSpec[];
  /** The ways out that it always has. */
  outcomes?: string[];
  /** Those that it has where a field is on. */
  outcomes_if?: Record<string, string>;
  /** The field whose paths are ways out, by their names. */
  paths?: string;
  one_of?: string[];
  icon?: string;
  /** Of those that wait side by side, the first that happens wins. */
  waits?: boolean;
  /** What a new one is configured with, as JSON text: numbers keep their digits. */
  initial?: string;
}

export interface CatalogData {
  groups: { name: string; label: string }[];
  outcomes: Record<string, string>;
  kinds: KindSpec[];
  node_limit: number;
}

export interface Outcome {
  name: string;
  label: string;
}

export const NEXT = "next";
export const TIMEOUT = "timeout";

export class Catalog {
  readonly groups: { name: string; label: string }[];
  readonly kinds: readonly KindSpec[];
  readonly nodeLimit: number;
  private readonly labels: Record<string, string>;
  private readonly byKind: ReadonlyMap<string, KindSpec>;

  constructor(data: Partial<CatalogData> = {}) {
    this.groups = data.groups ?? [];
    this.kinds = data.kinds ?? [];
    this.labels = data.outcomes ?? {};
    this.nodeLimit = data.node_limit ?? Number.POSITIVE_INFINITY;
    this.byKind = new Map(this.kinds.map((kind) => [kind.kind, kind]));
  }

  get(kind: string): KindSpec | undefined {
    return this.byKind.get(kind);
  }

  isEntry(kind: string): boolean {
    return this.get(kind)?.group === "entry";
  }

  waits(kind: string): boolean {
    return this.get(kind)?.waits === true;
  }

  /** Whether it sends messages, to which others can react. */
  sends(kind: string): boolean {
    return this.get(kind)?.fields?.some(({ type }) => type.startsWith("template:")) === true;
  }

  /** Whether anything can come behind it. */
  leads(kind: string): boolean {
    const spec = this.get(kind);
    return !spec || Boolean(spec.outcomes?.length || spec.paths);
  }

  /** By its label, else by its kind; of reactions several stand side by side, so that what happens tells one from another. */
  label(activity: Activity): string {
    const spec = this.get(activity.kind);
    const happens = activity.kind === "reaction" ? activity.config.get("reaction") : undefined;
    const reaction = spec?.fields?.find(({ name }) => name === "reaction")?.choices?.find(({ value }) => value === happens);
    return activity.label || reaction?.label || spec?.label || activity.kind || activity.id;
  }

  outcomeLabel(name: string): string {
    return Object.hasOwn(this.labels, name) ? this.labels[name]! : name;
  }

  /** The ways out that an activity has by what it is told. */
  ownOutcomes(activity: Activity): string[] {
    const spec = this.get(activity.kind);
    if (!spec) return [NEXT];
    const paths = spec.paths ? listAt(activity.config, spec.paths) : [];
    const names = paths.map((path) => (isObject(path) ? path.get("name") : null)).filter((name): name is string => typeof name === "string" && name !== "");
    const asked = Object.entries(spec.outcomes_if ?? {}).filter(([, field]) => this.isOn(activity, field)).map(([name]) => name);
    return [...new Set([...(spec.outcomes ?? []), ...names, ...asked])];
  }

  private isOn(activity: Activity, field: string): boolean {
    const other = this.get(activity.kind)?.fields?.find(({ name }) => name === field)?.only_with;
    const isThere = (value: Json | undefined) => value !== undefined && value !== null && value !== false;
    return activity.config.get(field) === true && (!other || isThere(activity.config.get(other)));
  }

  /** The ways out of an activity; those that only its edges name at the end. */
  outcomes(drawing: Drawing, activity: Activity): Outcome[] {
    const used = drawing.ways.filter(({ from }) => from === activity.id).map(({ outcome }) => outcome);
    return [...new Set([...this.ownOutcomes(activity), ...used])].map((name) => ({ name, label: this.outcomeLabel(name) }));
  }
}
