{{/* Names of what the chart makes. Of the release "gantry" they are those of config/. */}}
{{- define "gantry.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "gantry.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "gantry.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "gantry.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gantry.manager" -}}{{ include "gantry.fullname" . }}-manager{{- end -}}
{{- define "gantry.hub" -}}{{ include "gantry.fullname" . }}-hub{{- end -}}

{{- define "gantry.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gantry.manager" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "gantry.selector" -}}
app.kubernetes.io/name: {{ include "gantry.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gantry.labels" -}}
{{ include "gantry.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "gantry.image" -}}
{{- with .Values.image -}}
{{- if .registry }}{{ .registry }}/{{ end }}{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The rules of a role of config/rbac, which the permissions in the code are generated into: all of them, or the part of
reviews, for which there is no namespace, or the part of what is in namespaces. */}}
{{- define "gantry.rules" -}}
{{- $kind := .kind -}}
{{- range $document := splitList "\n---\n" (printf "\n%s" (.root.Files.Get "files/role.yaml")) -}}
{{- $role := fromYaml $document -}}
{{- if eq (default "" $role.kind) $kind -}}
{{- $rules := list -}}
{{- range $role.rules -}}
{{- $review := or (has "authentication.k8s.io" .apiGroups) (has "authorization.k8s.io" .apiGroups) -}}
{{- if or (not $.part) (eq $.part (ternary "reviews" "namespaced" $review)) -}}
{{- $rules = append $rules . -}}
{{- end -}}
{{- end -}}
{{ toYaml $rules }}
{{- end -}}
{{- end -}}
{{- end -}}
