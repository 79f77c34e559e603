package pulumicloud

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/esc/eval"
)

// environment is an ESC environment with all its revisions, the oldest first. Its secrets are sealed.
type environment struct {
	revisions [][]byte
	tags      map[string]int
}

// defaultProject is where an environment is whose name has no project.
const defaultProject = "default"

// environmentID is how the double knows an environment of an organization by the name that an import gives it, without
// its version.
func environmentID(org, name string) string {
	if !strings.Contains(name, "/") {
		name = defaultProject + "/" + name
	}
	return org + "/" + name
}

// PutEnvironment makes an environment (project/name), or gives it another revision. It returns the revision's number.
func (c *Cloud) PutEnvironment(org, name, yaml string) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := environmentID(org, name)
	if c.environments[id] == nil {
		c.environments[id] = newEnvironment()
	}
	return c.revise(id, []byte(yaml))
}

// TagEnvironment gives a revision of an environment a tag.
func (c *Cloud) TagEnvironment(org, name, tag string, revision int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.environments[environmentID(org, name)]; found != nil {
		found.tags[tag] = revision
	}
}

// DropEnvironment removes an environment.
func (c *Cloud) DropEnvironment(org, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.environments, environmentID(org, name))
}

func newEnvironment() *environment {
	return &environment{revisions: [][]byte{[]byte("values: {}\n")}, tags: map[string]int{}}
}

// revise adds a revision, with its secrets sealed.
func (c *Cloud) revise(id string, yaml []byte) (int, error) {
	sealed, err := eval.EncryptSecrets(background(), id, yaml, c.keys)
	if err != nil {
		return 0, refuse(http.StatusBadRequest, "Bad Request: %v", err)
	}
	found := c.environments[id]
	found.revisions = append(found.revisions, sealed)
	return len(found.revisions), nil
}

// revision is the text of an environment at a revision, a tag, or now.
func (e *environment) revision(version string) ([]byte, error) {
	n := len(e.revisions)
	if version != "" && version != "latest" {
		tagged, ok := e.tags[version]
		if !ok {
			number, err := strconv.Atoi(version)
			if err != nil {
				return nil, refuse(http.StatusNotFound, "Not Found: Tag '%s' not found", version)
			}
			tagged = number
		}
		n = tagged
	}
	if n < 1 || n > len(e.revisions) {
		return nil, refuse(http.StatusNotFound, "Not Found: Revision %s not found", version)
	}
	return e.revisions[n-1], nil
}

func (c *Cloud) createEnvironment(in *call) (any, error) {
	var request struct{ Project, Name string }
	if err := in.read(&request); err != nil {
		return nil, err
	}
	id := environmentID(in.PathValue("org"), request.Project+"/"+request.Name)
	if c.environments[id] != nil {
		return nil, refuse(http.StatusConflict, "Conflict: Environment '%s' already exists", id)
	}
	c.environments[id] = newEnvironment()
	return nil, nil
}

// environmentOf finds the environment that a call is about.
func (c *Cloud) environmentOf(in *call) (string, *environment, error) {
	id := environmentID(in.PathValue("org"), in.PathValue("project")+"/"+in.PathValue("name"))
	found := c.environments[id]
	if found == nil {
		return id, nil, refuse(http.StatusNotFound, "Not Found: Environment '%s' not found", id)
	}
	return id, found, nil
}

func (c *Cloud) getEnvironment(in *call) (any, error) {
	_, found, err := c.environmentOf(in)
	if err != nil {
		return nil, err
	}
	in.header.Set("Etag", strconv.Itoa(len(found.revisions)))
	in.header.Set("Pulumi-Esc-Revision", strconv.Itoa(len(found.revisions)))
	return verbatim(found.revisions[len(found.revisions)-1]), nil
}

func (c *Cloud) patchEnvironment(in *call) (any, error) {
	id, _, err := c.environmentOf(in)
	if err != nil {
		return nil, err
	}
	n, err := c.revise(id, in.body)
	if err != nil {
		return nil, err
	}
	in.header.Set("Pulumi-Esc-Revision", strconv.Itoa(n))
	return map[string]any{}, nil
}

func (c *Cloud) deleteEnvironment(in *call) (any, error) {
	id, _, err := c.environmentOf(in)
	if err == nil {
		delete(c.environments, id)
	}
	return nil, err
}
