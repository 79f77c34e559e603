// Package program owns what a Program object is as a source: a Pulumi YAML project in an archive that is the same,
// byte for byte, whenever and wherever it is made. It is pure.
package program

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// Runtime is the language runtime of every Program.
const Runtime = "yaml"

// maxName is the longest name of a project that Pulumi takes.
const maxName = 100

// InvalidError means that an object is no program, in words for the person who wrote it.
type InvalidError struct {
	// Problem says what is wrong and what to do.
	Problem string
}

// Error is the problem.
func (e *InvalidError) Error() string { return e.Problem }

// Revision is the revision of a Program: its generation, as PKO counts.
func Revision(program *pulumiv1.Program) string {
	return strconv.FormatInt(program.Generation, 10)
}

// Content stands for what a Program says, whatever generation it is of: one that is made anew begins with the first again.
func Content(program *pulumiv1.Program) string {
	sum := sha256.Sum256(program.Program.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Archive makes the project's tar.gz. A program that is not a JSON object is an *InvalidError.
func Archive(program *pulumiv1.Program) ([]byte, error) {
	project, err := Project(program)
	if err != nil {
		return nil, err
	}
	return archive(project)
}

// Project makes the project's Pulumi.yaml: the program as it was given, with the object's name as the name and yaml as
// the runtime, whatever the program itself says of these two: what a Stack's state is filed under must not change with
// a line in the program. Keys are sorted; unknown ones are kept for Pulumi to judge. An empty object is a program, one
// without resources, as it is for PKO; no program at all is an error.
func Project(program *pulumiv1.Program) ([]byte, error) {
	if len(program.Name) > maxName {
		return nil, &InvalidError{Problem: fmt.Sprintf("metadata.name: it is the name of the Pulumi project, which has %d characters at most; give the Program a shorter one", maxName)}
	}
	body, err := object(program.Program.Raw)
	if err != nil {
		return nil, err
	}
	body["name"] = program.Name
	body["runtime"] = Runtime
	return write(body)
}

// object reads a JSON object, its numbers as they are written.
func object(raw []byte) (map[string]any, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil, &InvalidError{Problem: "the object has no program: put the Pulumi YAML program (resources, outputs, …) under the key \"program\""}
	}
	body := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil || !json.Valid(raw) {
		return nil, &InvalidError{Problem: fmt.Sprintf("the program has to be an object with keys such as resources and outputs, but is %s", kind(raw))}
	}
	return body, nil
}

// kind says what JSON value raw is, without quoting it.
func kind(raw []byte) string {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return "not valid JSON"
	}
	switch value.(type) {
	case string:
		return "a string"
	case []any:
		return "a list"
	case bool:
		return "a boolean"
	default:
		return "a number"
	}
}
