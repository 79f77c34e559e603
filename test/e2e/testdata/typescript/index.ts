import * as pulumi from "@pulumi/pulumi";
import * as semver from "semver";

interface Release { name: string; version: string }

const release: Release = { name: pulumi.getProject(), version: "1.2.3" };
const secret = new pulumi.Config().getSecret("secret");

export const greeting = `hello from ${pulumi.getStack()}`;
export const next = semver.inc(release.version, "minor");
export const length = secret?.apply(s => s.length);
