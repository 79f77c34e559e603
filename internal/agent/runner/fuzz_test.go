package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzEnvironment: whatever an init container leaves in the environment file, it is read or refused without a word of it.
func FuzzEnvironment(f *testing.F) {
	for _, seed := range []string{
		"A=b\n", "export A=\"b c\"\nB='d'", "A", "=b", "A=\"hunter2hunter2", "# comment\n\nA=$B${C}", "A=b\x00c", "\xef\xbb\xbfA=b", "A: b", "A=b\r\nC=d\r\n",
		"A='b\nhunter2hunter2", "A B=hunter2hunter2", "${A}=b", "A=\"\\", strings.Repeat("A=b\n", 1000), "\xff\xfe",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		env, err := readEnvironment([]string{"HOME=/home", "=odd", "NOTHING"}, file)
		if err != nil {
			for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '=' || r == ' ' }) {
				if len(word) > 12 && strings.Contains(err.Error(), word) && !strings.Contains(file, word) {
					t.Errorf("the error tells %q: %v", word, err)
				}
			}
			return
		}
		for _, variable := range env.list("/work") {
			if !strings.Contains(variable, "=") || strings.ContainsRune(variable, 0) {
				t.Errorf("no process can be started with %q", variable)
			}
		}
	})
}
