package update

import (
	"net/url"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/internal/validate"
)

// sourceOf is where the program comes from. With several sources git goes before flux before local before projectInfo;
// without any, the user's own init container has filled the workspace.
func sourceOf(o Observed) (*operation.Source, *failure.TerminalError) {
	switch spec := o.Workspace.Spec; {
	case spec.Git != nil && o.Source.Revision.Digest == "":
		return nil, failure.NewTerminal(ReasonSourceUnavailable, "the commit that the Workspace's spec.git names has not been fetched")
	case spec.Git != nil, spec.Flux != nil:
		archive := spec.Flux
		if spec.Git != nil {
			archive = new(gitArtifact(o))
		}
		artifact, err := artifactOf(*archive, o.Settings)
		if err != nil {
			return nil, err
		}
		return &operation.Source{From: &operation.Source_Artifact{Artifact: artifact}}, nil
	case spec.Local != nil:
		return &operation.Source{From: &operation.Source_Local{Local: spec.Local.Dir}}, nil
	case spec.ProjectInfo != nil:
		project := &operation.ProjectInfo{Name: spec.ProjectInfo.Name, Runtime: spec.ProjectInfo.Runtime}
		return &operation.Source{From: &operation.Source_Project{Project: project}}, nil
	default:
		return &operation.Source{From: &operation.Source_Prepared{Prepared: true}}, nil
	}
}

// artifactOf is an archive of the manager's own store, or of any other server: only where the URL is exactly the store's
// does the agent say who it is. A URL is never put into a message: it may have a password in it.
func artifactOf(flux autov1alpha1.FluxSource, settings Settings) (*operation.Artifact, *failure.TerminalError) {
	if flux.Digest == "" {
		return nil, failure.NewTerminal(ReasonWorkspaceInvalid, "the Workspace's spec.flux.digest is missing: give the digest of the archive as sha256:<hex>")
	}
	if !validate.IsDigest(flux.Digest) {
		return nil, failure.NewTerminal(ReasonWorkspaceInvalid, "the Workspace's spec.flux.digest %.150q is not a sha256, sha384 or sha512 digest, such as sha256:<64 hexadecimal digits>", flux.Digest)
	}
	own := settings.ArtifactURL(flux.Digest)
	if flux.URL == "" || flux.URL == own {
		return &operation.Artifact{Digest: flux.Digest, Url: own, Dir: flux.Dir}, nil
	}
	parsed, err := url.Parse(flux.URL)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
		return nil, failure.NewTerminal(ReasonWorkspaceInvalid, "the Workspace's spec.flux.url is not a URL that begins with http:// or https:// and names a host")
	}
	return &operation.Artifact{Digest: flux.Digest, Url: flux.URL, Dir: flux.Dir, Foreign: true}, nil
}
