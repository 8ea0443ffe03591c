/** One call to the ledger: protobuf's JSON over Connect's unary protocol, so that int64 stays exact (BigInt). */
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromJson,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
  toJsonString,
} from "@bufbuild/protobuf";
import { askForToken, token } from "../state/token";

/** What the ledger answers when a call fails, or "unavailable" when there is no answer. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly reason: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

interface Fault {
  code?: string;
  message?: string;
  reason?: string;
}

/** Calls a method. Raises `ApiError`; asks for a token when one is needed. */
export async function call<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  signal?: AbortSignal,
): Promise<MessageShape<O>> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (token.value) headers["authorization"] = `Bearer ${token.value}`;
  const response = await send(`/${method.parent.typeName}/${method.name}`, {
    method: "POST",
    headers,
    body: toJsonString(method.input, create(method.input, request)),
    ...(signal && { signal }),
  });
  const answer = await readJson(response);
  if (!response.ok) throw refusal(response.status, (answer ?? {}) as Fault);
  if (answer === undefined) throw new ApiError("internal", "The answer is no JSON.", "");
  return fromJson(method.output, answer, { ignoreUnknownFields: true });
}

/** So often a call that was too fast is tried again: a view with many pools makes many calls. */
const MAX_RETRIES = 3;

async function send(url: string, init: RequestInit, retries = 0): Promise<Response> {
  try {
    const response = await fetch(url, init);
    const wait_s = parseInt(response.headers.get("retry-after") ?? "", 10);
    if (response.status !== 429 || retries === MAX_RETRIES || !(wait_s <= 5)) return response;
    await new Promise((resolve) => setTimeout(resolve, wait_s * 1_000));
    return await send(url, init, retries + 1);
  } catch (fault) {
    if (fault instanceof ApiError || (fault instanceof DOMException && fault.name === "AbortError")) throw fault;
    throw new ApiError("unavailable", "The ledger does not answer.", "");
  }
}

async function readJson(response: Response): Promise<JsonValue | undefined> {
  const text = await response.text();
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

function refusal(status: number, fault: Fault): ApiError {
  if (fault.code === "unauthenticated") askForToken();
  return new ApiError(fault.code ?? `http ${status}`, fault.message ?? "The call failed.", fault.reason ?? "");
}
