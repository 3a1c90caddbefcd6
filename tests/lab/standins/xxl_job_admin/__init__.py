"""A stand-in for the XXL-JOB admin 2.3.0 to 3.4, which is on no registry: its HTTP behaviour.

`version` chooses the release whose behaviour it has; what differs was measured with the real 2.3,
3.0, 3.2, 3.3 and 3.4 and is in `wording.py` and `pages.py`: the login since 3.2 (one session for
each user), tables and times since 3.3, context path and times since 3.4, words of a failed call.

Not the product. Paths, their order of checks and their words are those of the public source
(github.com/xuxueli/xxl-job, tag 2.3.0, xxl-job-admin): JobApiController (POST, then the token, then
the name of the method), AdminBizImpl and JobRegistryHelper (registry, 90 s, every 30 s),
IndexController and LoginService (`/toLogin`, `/login`, cookie), PermissionInterceptor (302),
JobGroupController, JobInfoController and JobLogController (`pageList`), XxlJobTrigger with
XxlJobRemotingUtil (what is called at an executor, 3 s, and how a failure is worded) and Spring
Boot's health endpoint under the context path. Its data are in memory. The real executor library
(xxl-job-core 2.3.0) registers here and is called back: tests/unit/lab/test_xxl_job_admin.py.

Standard library only: it also runs in a pod, as in the article.
`python3 -m xxl_job_admin FILE`, FILE being JSON with the keys of `Settings`.
"""
