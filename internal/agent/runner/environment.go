package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/joho/godotenv"
)

// environment is what the processes of one operation get.
type environment map[string]string

// readEnvironment lays the dynamic environment over the container's. The file's text never shows in an error: it holds
// secrets, and a parser likes to quote what it does not understand.
func readEnvironment(base []string, dynamic string) (environment, error) {
	env := environment{}
	for _, variable := range base {
		if name, value, ok := strings.Cut(variable, "="); ok {
			env[name] = value
		}
	}
	added, err := godotenv.Read(dynamic)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil && errors.As(err, new(*fs.PathError)):
		return nil, fmt.Errorf("read the environment file: %w", err)
	case err != nil:
		return nil, fmt.Errorf("the environment file %s is not in dotenv format (NAME=value, one a line)", dynamic)
	}
	for name, value := range added {
		if strings.ContainsRune(name+value, 0) {
			return nil, fmt.Errorf("the environment file %s has a NUL character, with which no process can be started", dynamic)
		}
	}
	maps.Copy(env, added)
	return env, nil
}

// lookup finds a variable.
func (e environment) lookup(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

// passphrase is that of the stack's secrets, found as the CLI finds it.
func (e environment) passphrase() (string, bool) {
	if passphrase, ok := e["PULUMI_CONFIG_PASSPHRASE"]; ok {
		return passphrase, true
	}
	file, ok := e["PULUMI_CONFIG_PASSPHRASE_FILE"]
	if !ok || !filepath.IsAbs(file) {
		return "", false
	}
	text, err := os.ReadFile(file)
	return strings.TrimSpace(string(text)), err == nil
}

// list is the environment of a process in dir.
func (e environment) list(dir string) []string {
	all := maps.Clone(e)
	maps.Copy(all, map[string]string{
		// The engine's event log is one of these commands' flags.
		"PULUMI_DEBUG_COMMANDS":    "true",
		"PULUMI_SKIP_UPDATE_CHECK": "true",
		"PWD":                      dir,
	})
	// A pod is new more often than a stack: where the source carries no encryption settings, the state has them.
	if _, ok := all[fallbackToState]; !ok {
		all[fallbackToState] = "true"
	}
	list := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, name+"="+all[name])
	}
	return list
}

// exists says whether there is a file.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

const fallbackToState = "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"
