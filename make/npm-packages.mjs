// Fetches the archives of all packages that a lock file names, with the npm
// client and as they were published, into a folder.
//
// usage: node npm-packages.mjs LOCK OUT
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";

const [lock, out] = process.argv.slice(2);
const specs = new Set();
for (const [path, entry] of Object.entries(JSON.parse(readFileSync(lock, "utf8")).packages)) {
    if (path !== "") {
        specs.add(`${entry.name ?? path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)}@${entry.version}`);
    }
}
mkdirSync(out, { recursive: true });
execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--prefer-offline", `--pack-destination=${out}`, ...specs],
    { stdio: ["ignore", "ignore", "inherit"] });
