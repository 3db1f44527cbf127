{{/* The name of every object: the release's, with the chart's behind it unless it is in there already. */}}
{{- define "zonewatch.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "zonewatch.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "zonewatch.name" .) -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What tells this fleet's pods from others. It never changes: a Deployment's selector can't. */}}
{{- define "zonewatch.selector" -}}
app.kubernetes.io/name: zonewatch
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "zonewatch.labels" -}}
{{ include "zonewatch.selector" . }}
app.kubernetes.io/component: worker
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "zonewatch.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* A setting as its environment variable wants it: lists by commas, tables as TOML writes them in one line. */}}
{{- define "zonewatch.setting" -}}
{{- if kindIs "slice" . -}}
{{- join "," . -}}
{{- else if kindIs "map" . -}}
{{- $pairs := list -}}
{{- range $key, $value := . }}{{ $pairs = append $pairs (printf "%q = %q" $key $value) }}{{ end -}}
{{- if $pairs }}{ {{ join ", " $pairs }} }{{ else }}{}{{ end -}}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- printf "%d" (int64 .) -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* AWS's variables and those of `config`, by name. */}}
{{- define "zonewatch.environment" -}}
{{- $variables := dict "AWS_EC2_METADATA_DISABLED" "true" "AWS_REGION" .Values.aws.region -}}
{{- range $section, $keys := .Values.config }}
{{- range $key, $value := $keys }}
{{- if not (kindIs "invalid" $value) }}
{{- $_ := set $variables (printf "ZONEWATCH_%s__%s" (upper $section) (upper $key)) (include "zonewatch.setting" $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := $variables }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* The number of the port in http.operations. */}}
{{- define "zonewatch.port" -}}
{{- .Values.config.http.operations | splitList ":" | last | int -}}
{{- end -}}
