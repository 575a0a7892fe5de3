import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { findPlace, type Place } from "../../config/place.ts";
import { ownerFault, processUser } from "../../domain/ownership.ts";
import { shownUser } from "../../domain/userName.ts";
import type { DoctorCheck } from "../../reports/doctor.ts";
import { tokenFile } from "../../web/auth/tokenFile.ts";
import { startHttp01Responder } from "../../web/http01.ts";
import { startTlsAlpn01Responder } from "../../web/tlsAlpn01.ts";
import { fullDisk, roomLeft } from "../disk.ts";
import { nameServerAddresses } from "../nameServer.ts";
import { ownProcesses, SHARED_LISTENERS, sharedPort } from "../portWatch.ts";
import { addressesOf } from "../responder.ts";
import { roleSettingsOf } from "../roleSettings.ts";
import { checkResponder, checkStateDirectory } from "../surroundings.ts";
import { failed, failedWith, notChecked, passed, warning } from "./check.ts";
import type { Patient } from "./patient.ts";

const OTHERS_MAY = 0o077;

/** Owner and mode of what renewd keeps, seen by the user who asks. */
export async function checkFiles({ config, file }: Patient): Promise<DoctorCheck[]> {
  const place = config ?? (await findPlace(file));
  if (place === null) return [notChecked("files", "data directory", "the configuration does not say where it is")];
  const { dataDir, store, masterKey } = place;
  const checks = [await directoryCheck(dataDir)];
  if ("file" in masterKey) checks.push(...(await privateFile(masterKey.file, "it opens every private key")));
  checks.push(...(await privateFile(tokenFile(dataDir), "anybody who has it may do everything over HTTP")));
  if (store.kind === "sqlite")
    for (const suffix of ["", "-wal", "-shm"])
      checks.push(...(await privateFile(`${store.file}${suffix}`, "it is renewd's database")));
  return [...checks, ...(await otherUser(place))];
}

async function directoryCheck(dataDir: string): Promise<DoctorCheck> {
  try {
    await checkStateDirectory({ dataDir });
    const found = await stat(dataDir).catch(() => null);
    return passed(
      "files",
      dataDir,
      found === null ? "will be created at the first start" : "can be written, by its user alone",
    );
  } catch (thrown) {
    return failedWith("files", dataDir, thrown);
  }
}

async function privateFile(path: string, why: string): Promise<DoctorCheck[]> {
  const found = await stat(path).catch(() => null);
  const user = processUser();
  // One that is missing is the database's finding.
  if (found === null || user === null) return [];
  const owner = ownerFault(path, found, user);
  if (owner !== null) return [failed("files", path, owner, `chown ${user.uid} ${path}`)];
  const readable = await access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!readable)
    return [
      failed(
        "files",
        path,
        "cannot be read and written by this user",
        "Ask as the user that renewd runs as: `sudo -u USER renewd doctor`.",
      ),
    ];
  const mode = found.mode & 0o777;
  if ((mode & OTHERS_MAY) === 0) return [];
  return [failed("files", path, `other users may open it (mode ${mode.toString(8)}), and ${why}`, `chmod 600 ${path}`)];
}

/** Root may do what the service's user may not. */
async function otherUser({ dataDir }: Place): Promise<DoctorCheck[]> {
  const found = await stat(dataDir).catch(() => null);
  const user = processUser();
  if (found === null || user === null || found.uid === user.uid) return [];
  return [
    warning(
      "files",
      dataDir,
      `belongs to user ${shownUser(found.uid).name}, and you are user ${shownUser(user.uid).name}: rights were checked as yours`,
      `sudo -u ${shownUser(found.uid).sudo} renewd doctor`,
    ),
  ];
}

export async function checkDisk({ config, file }: Patient): Promise<DoctorCheck[]> {
  const place = config ?? (await findPlace(file));
  if (place === null) return [];
  const directories = place.store.kind === "sqlite" ? [dirname(place.store.file), place.dataDir] : [place.dataDir];
  const full = await fullDisk(directories);
  const fix = (directory: string): string => `Free space there: \`du -xh ${directory} | sort -h\`.`;
  if (full !== null)
    return [{ ...failed("disk", full.directory, full.message, fix(full.directory)), code: "store.full" }];
  return Promise.all(
    [...new Set(directories)].map(async (directory) => {
      const left = await roomLeft(directory);
      if (left === null) return notChecked("disk", directory, "its file system does not say how much is free");
      const message = `${roomText(left.bytes)} are free (${Math.floor(left.part * 100)} %)`;
      return left.bytes < LITTLE_BYTES
        ? warning("disk", directory, message, fix(directory))
        : passed("disk", directory, message);
    }),
  );
}

/** Below this a person should look before it is full. */
const LITTLE_BYTES = 512 * 1024 * 1024;

function roomText(bytes: number): string {
  const gib = bytes / 1024 ** 3;
  return gib >= 1 ? `${gib.toFixed(1)} GiB` : `${Math.floor(bytes / 1024 ** 2)} MiB`;
}

/** As the responders themselves listen; and whether somebody else answers on their ports. */
export async function checkPorts({ config, viewer }: Patient, signal: AbortSignal): Promise<DoctorCheck[]> {
  if (config === null) return [];
  const { http01, tlsAlpn01, nameServer } = roleSettingsOf(config);
  const responders = [
    { subject: "http-01 responder", at: http01, start: startHttp01Responder },
    { subject: "tls-alpn-01 responder", at: tlsAlpn01, start: startTlsAlpn01Responder },
  ];
  const checks: DoctorCheck[] = [];
  for (const { subject, at, start } of responders) {
    if (at === null) continue;
    try {
      await checkResponder(at, start);
      checks.push(passed("ports", subject, `can listen on ${at.host}:${at.port}`));
    } catch (thrown) {
      checks.push(failedWith("ports", subject, thrown));
    }
  }
  const store = "store" in viewer ? viewer.store : null;
  const identity = await store?.health.installation().catch(() => null);
  if (store === null || identity == null) return checks;
  const places = {
    http01: addressesOf(http01),
    tlsAlpn01: addressesOf(tlsAlpn01),
    dnsServer: nameServerAddresses(nameServer),
  };
  const ours = () => ownProcesses(store.health);
  for (const listener of SHARED_LISTENERS)
    for (const at of places[listener]) {
      const shared = await sharedPort({ listener, at, identity, ours }, signal).catch(() => null);
      if (shared !== null) checks.push(failed("ports", listener, shared.message, shared.action));
    }
  return checks;
}
