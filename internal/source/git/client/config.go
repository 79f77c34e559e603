package client

import (
	"fmt"
	"path/filepath"
	"strings"
)

// configuration is git's, whatever it does. Nothing of the machine's own is read beside it, and nothing of a repository
// is ever run.
func configuration(limits Limits) string {
	idle := int(limits.IdleTime.Seconds())
	lines := []string{
		"[core]", "hooksPath = /dev/null", "fsmonitor = false", "untrackedCache = false", "attributesFile = /dev/null",
		// Big files are streamed and not held in memory.
		"bigFileThreshold = 4m", "packedGitLimit = 256m", "packedGitWindowSize = 16m", "deltaBaseCacheLimit = 32m",
		"[pack]", "threads = 1",
		"[index]", "threads = 1",
		"[init]", "defaultBranch = main", "templateDir =",
		"[safe]", "directory = *",
		"[gc]", "auto = 0",
		"[maintenance]", "auto = false",
		"[submodule]", "recurse = false",
		"[protocol]", "version = 2", "allow = never",
		`[protocol "https"]`, "allow = always", `[protocol "http"]`, "allow = always", `[protocol "ssh"]`, "allow = always",
		"[http]", "followRedirects = initial", "lowSpeedLimit = 1", fmt.Sprintf("lowSpeedTime = %d", max(1, idle)),
		"[fetch]", "fsckObjects = true", "unpackLimit = 1", "writeCommitGraph = false",
		// Of old commits that other programs wrote; nothing here reads these parts of them.
		`[fetch "fsck"]`,
	}
	for _, harmless := range []string{
		"badDate", "badDateOverflow", "badEmail", "badName", "badTimezone", "missingEmail", "missingNameBeforeEmail", "missingSpaceBeforeDate",
		"missingSpaceBeforeEmail", "multipleAuthors", "zeroPaddedDate", "zeroPaddedFilemode", "badFilemode", "nulInCommit",
	} {
		lines = append(lines, harmless+" = ignore")
	}
	lines = append(lines,
		"[lfs]", "basictransfersonly = true", "concurrenttransfers = 3", "fetchrecentalways = false",
		fmt.Sprintf("activitytimeout = %d", max(1, idle)), "dialtimeout = 20", "tlstimeout = 20",
		"[advice]", "detachedHead = false",
		"",
	)
	return strings.Join(lines, "\n")
}

// environment is the whole one of git's processes, for a configuration in a file.
func (c *Client) environment(config string) []string {
	return []string{
		"PATH=" + c.path, "HOME=" + filepath.Join(c.options.Dir, homeDir), "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + config, "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_PROTOCOL_FROM_USER=0",
		"GIT_CEILING_DIRECTORIES=" + c.options.Dir, "GIT_LITERAL_PATHSPECS=1", "GIT_OPTIONAL_LOCKS=0",
		"GIT_AUTHOR_NAME=gantry", "GIT_AUTHOR_EMAIL=gantry@localhost", "GIT_AUTHOR_DATE=@0 +0000",
		"GIT_COMMITTER_NAME=gantry", "GIT_COMMITTER_EMAIL=gantry@localhost", "GIT_COMMITTER_DATE=@0 +0000",
	}
}

// local is the environment of commands that need no network, and get none: what they miss they must not fetch.
func (c *Client) local() []string {
	return append(c.environment(filepath.Join(c.options.Dir, configFile)), "GIT_ALLOW_PROTOCOL=")
}

// proxies are the variables that name them, as curl, git-lfs and this program read them.
func (c *Client) proxies() []string {
	var found []string
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"} {
		value := lookup(c.options.Environment, strings.ToLower(name))
		if value == "" {
			value = lookup(c.options.Environment, name)
		}
		if value != "" {
			found = append(found, strings.ToLower(name)+"="+value, name+"="+value)
		}
	}
	return found
}

// quoted writes a value of git's configuration.
func quoted(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
}
