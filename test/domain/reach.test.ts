import { expect, it } from "vitest";
import { type Reach, reachOf } from "../../src/domain/reach.ts";

it.each<[address: string, reach: Reach]>([
  ["192.0.43.8", "public"],
  ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", "public"],
  ["10.255.0.1", "private"],
  ["172.31.255.255", "private"],
  ["172.32.0.1", "public"],
  ["192.168.1.1", "private"],
  ["100.64.0.1", "private"],
  ["127.0.0.53", "private"],
  ["::1", "private"],
  ["fd12:3456::1", "private"],
  ["0.0.0.0", "never"],
  ["::", "never"],
  ["169.254.169.254", "never"],
  ["100.100.100.200", "never"],
  ["168.63.129.16", "never"],
  ["fd00:ec2::254", "never"],
  ["fe80::1", "never"],
  ["fe80::1%eth0", "never"],
  ["224.0.0.1", "never"],
  ["255.255.255.255", "never"],
  ["::ffff:169.254.169.254", "never"],
  ["::ffff:a9fe:a9fe", "never"],
  ["0:0:0:0:0:ffff:10.0.0.1", "private"],
  ["64:ff9b::169.254.169.254", "never"],
  ["64:ff9b::808:808", "public"],
  ["64:ff9b:1::169.254.169.254", "never"],
  ["64:ff9b:1::8.8.8.8", "public"],
  // 10.0.0.4 behind a prefix of 64 bits; the last 32 say 4.0.0.0.
  ["64:ff9b:1:0:a:0:400:0", "private"],
  ["100::1", "private"],
  ["::ffff:0:127.0.0.1", "private"],
  ["2002:a9fe:a9fe::1", "never"],
  ["2002:7f00:1::", "private"],
  ["::127.0.0.1", "private"],
  ["crl.example", "never"],
])("%s is %s", (address, reach) => {
  expect(reachOf(address)).toBe(reach);
});
