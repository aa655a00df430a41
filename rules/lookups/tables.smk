"""Look-ups of tables.smk: the students and measurements behind a table."""


def students_of(methods=None):
    """The students' folders of some methods, or of all that are wanted."""
    return [
        path_of(rules.train_students.output.students, **row)
        for row in plan.wanted("method", "ipc", "protocol", "student", methods=methods)
    ]


def method_students(wildcards):
    return students_of([wildcards.method])


def methods_of_table(wildcards):
    """The method of a table that is of one; None for a table of all."""
    return [wildcards.method] if "method" in wildcards.keys() else None


def wanted_seeds(wildcards):
    """How many seeds each row of a table should have."""
    return plan.wanted_seeds(methods_of_table(wildcards))


def protocol_ids(wildcards):
    """What stands for each protocol of a table's rows."""
    return plan.protocol_ids(methods_of_table(wildcards))


def published_numbers(wildcards):
    """What papers report for rows of a table."""
    return reported_for(plan, methods_of_table(wildcards))


@cache
def shared_jobs_of_plan():
    return shared_jobs(plan)


def cost_jobs(wildcards):
    """What ran for the accuracy table and where it was measured; {shard} stands in the paths of what works by shards."""
    jobs = []
    for job in shared_jobs_of_plan():
        rule_of_stage = getattr(rules, job.stage)

        def filled(pattern):
            return path_of(pattern, **job.wildcards, shard="{shard}")

        jobs.append(
            {
                "stage": job.stage,
                "methods": job.methods,
                "grows_with": job.grows_with,
                "benchmark": filled(rule_of_stage.benchmark),
                "log": filled(rule_of_stage.log[0]),
                "outputs": [filled(output) for output in rule_of_stage.output],
            }
        )
    return jobs


def wanted_benchmarks(wildcards):
    """The benchmark file of each of those jobs, by shard."""
    patterns = [job["benchmark"] for job in cost_jobs(wildcards)]
    return [path.format(shard=shard) for path in patterns for shard in (plan.shards if "{shard}" in path else [""])]
