package stack

import (
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/configitems"
	"github.com/gantry-operator/gantry/internal/validate"
)

// checkGit checks what the spec says of a git repository.
func checkGit(p *validate.Problems, namespace string, spec *pulumiv1.GitSource) {
	if spec.ProjectRepo == "" {
		p.Add("spec.projectRepo", `missing "projectRepo": give the URL of the git repository`)
	} else {
		p.Repository("spec.projectRepo", spec.ProjectRepo)
	}
	switch {
	case spec.Commit == "" && spec.Branch == "":
		p.Add("spec.branch", `missing "commit" or "branch": give one of them`)
	case spec.Commit != "" && spec.Branch != "":
		p.Add("spec.branch", `only one of "commit" or "branch" may be given: remove the other`)
	case spec.Commit != "":
		p.GitRef("spec.commit", spec.Commit)
	default:
		p.GitRef("spec.branch", spec.Branch)
	}
	p.SourcePath("spec.repoDir", spec.RepoDir)
	p.SourcePaths("spec.repoPaths", spec.RepoPaths)
	checkGitAuth(p, namespace, spec)
}

// checkGitAuth checks what names credentials.
func checkGitAuth(p *validate.Problems, namespace string, spec *pulumiv1.GitSource) {
	if spec.GitAuthSecret != "" {
		p.ObjectName("spec.gitAuthSecret", "Secret", spec.GitAuthSecret)
	}
	auth := spec.GitAuth
	if auth == nil {
		return
	}
	const at = "spec.gitAuth"
	check := func(field string, ref *pulumiv1.ResourceRef) {
		if ref != nil {
			configitems.CheckReference(p, at+"."+field, namespace, *ref)
		}
	}
	check("accessToken", auth.PersonalAccessToken)
	check("bearerToken", auth.BearerToken)
	check("caBundle", auth.CABundle)
	if ssh := auth.SSHAuth; ssh != nil {
		check("sshAuth.sshPrivateKey", &ssh.SSHPrivateKey)
		check("sshAuth.password", ssh.Password)
		check("sshAuth.knownHosts", ssh.KnownHosts)
	}
	if basic := auth.BasicAuth; basic != nil {
		check("basicAuth.userName", &basic.UserName)
		check("basicAuth.password", &basic.Password)
	}
	if app := auth.GitHubApp; app != nil {
		check("githubApp.appID", &app.AppID)
		check("githubApp.installationID", &app.InstallationID)
		check("githubApp.privateKey", &app.PrivateKey)
	}
	if *auth == (pulumiv1.GitAuthConfig{}) && spec.GitAuthSecret == "" {
		p.Add(at, "is empty: give one of accessToken, bearerToken, sshAuth, githubApp and basicAuth, or leave it out")
	}
}
