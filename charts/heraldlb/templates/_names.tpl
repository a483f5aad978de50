{{/* The image of every container. */}}
{{- define "heraldlb.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end -}}

{{/* Labels that select the pods of one component; they never change. */}}
{{- define "heraldlb.selector" -}}
app.kubernetes.io/name: heraldlb
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "heraldlb.labels" -}}
{{ include "heraldlb.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What every container is denied. */}}
{{- define "heraldlb.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* HeraldLB's resources, by their plural names. */}}
{{- define "heraldlb.kinds" -}}
ipaddresspools l2advertisements bgpadvertisements bgppeers bfdprofiles communities
{{- end -}}

{{/* The name of a component's ServiceAccount. */}}
{{- define "heraldlb.account" -}}
{{ (index .root.Values .component).serviceAccount.name | default (printf "heraldlb-%s" .component) }}
{{- end -}}

{{/* Rules for what MetalLB left, or still does. A role cannot narrow pods to those with MetalLB's labels; the watch does. */}}
{{- define "heraldlb.metallb" -}}
{{- if .Values.metalLB.namespace }}
- apiGroups: [metallb.io]
  resources: {{ include "heraldlb.kinds" . | splitList " " | toJson }}
  verbs: [list, watch]
{{- end }}
{{- if eq .Values.metalLB.coexistence "auto" }}
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end }}
{{- end -}}

{{- /* A map of labels as `key=value`, comma-separated, in the order of the keys. */ -}}
{{- define "heraldlb.labelList" -}}
{{- $list := list }}
{{- range $key, $value := . }}{{ $list = append $list (printf "%s=%s" $key $value) }}{{ end }}
{{- join "," $list }}
{{- end }}
